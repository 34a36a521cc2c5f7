package files

import (
	"os"
	"strings"
)

// places opens the directories that paths lie in, step by step without links, and keeps the last one
// for the next path. It is used for one batch of paths and then closed.
type places struct {
	root *os.Root
	rel  string   // of dir
	dir  *os.Root // nil: none is open
}

// parent is the directory of a path and its name there. The error is errAbsent where the way does not
// lead through directories. The directory stays open until the next call.
func (p *places) parent(rel string) (dir *os.Root, base string, err error) {
	i := strings.LastIndexByte(rel, '/')
	if i < 0 {
		return p.root, rel, nil
	}
	if p.dir == nil || p.rel != rel[:i] {
		if err := p.open(rel[:i]); err != nil {
			return nil, "", err
		}
	}
	return p.dir, rel[i+1:], nil
}

func (p *places) open(rel string) error {
	p.close()
	at := p.root
	for name := range strings.SplitSeq(rel, "/") {
		next, err := openDir(at, name)
		if at != p.root {
			at.Close()
		}
		if err != nil {
			return err
		}
		at = next
	}
	p.rel, p.dir = rel, at
	return nil
}

func (p *places) close() {
	if p.dir != nil {
		p.dir.Close()
		p.dir = nil
	}
}
