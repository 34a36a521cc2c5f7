package s3

import (
	"strconv"
	"strings"
)

// rangeOf reads where a partial answer begins and how long the whole is: `bytes 10-19/200`.
func rangeOf(text string) (begins, whole int64, ok bool) {
	rest, found := strings.CutPrefix(text, "bytes ")
	if !found {
		return 0, 0, false
	}
	first, rest, _ := strings.Cut(rest, "-")
	_, total, found := strings.Cut(rest, "/")
	if !found {
		return 0, 0, false
	}
	begins, err := strconv.ParseInt(first, 10, 64)
	if err != nil || begins < 0 {
		return 0, 0, false
	}
	if whole, err = strconv.ParseInt(total, 10, 64); err != nil || whole <= begins {
		return 0, 0, false
	}
	return begins, whole, true
}
