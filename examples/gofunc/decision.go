package main

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Minutes is a row of the folder: a file, and its text unless it is a picture or the like.
type Minutes struct {
	Path string `freshet:",key"`
	Text *string
}

// Decision is what a meeting has decided. It has no key of its own: it is named by what it says, so that a
// line that moves within its file is neither embedded nor written again.
type Decision struct {
	Path string    // of the minutes; filled in, as it is their key
	Day  time.Time `freshet:",date"`
	Who  string
	What string
}

var decided = regexp.MustCompile(`^- \[decided\] (\S+) (\w+): (.+)$`)

// decisions finds the decisions in minutes. One date that cannot be read rejects the file: it becomes a
// dead letter, the other files go on.
func decisions(m Minutes) ([]Decision, error) {
	if m.Text == nil {
		return nil, nil
	}
	var found []Decision
	for n, line := range strings.Split(*m.Text, "\n") {
		parts := decided.FindStringSubmatch(line)
		if parts == nil {
			continue
		}
		day, err := time.Parse(time.DateOnly, parts[1])
		if err != nil {
			return nil, fmt.Errorf("read line %d: %q is no date", n+1, parts[1])
		}
		found = append(found, Decision{Day: day, Who: parts[2], What: parts[3]})
	}
	return found, nil
}
