package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// ctrlC is what a terminal in raw mode sends for it.
const ctrlC = 3

// screen is a terminal that is drawn upon as a whole and reads single keys. Whatever happens, close gives it
// back as it was.
type screen struct {
	out   *os.File
	in    *os.File
	was   *term.State // of in; nil: it is no terminal, and there are no keys
	width int         // when it was drawn upon last
	tall  int
}

// Words of the terminal: another page for the time being, without a cursor, and back.
const (
	otherPage = "\x1b[?1049h\x1b[?25l"
	firstPage = "\x1b[?25h\x1b[?1049l"
	topLeft   = "\x1b[H"
	restOfRow = "\x1b[K"
	restBelow = "\x1b[J"
)

func openScreen(out *os.File) (*screen, error) {
	s := &screen{out: out, in: os.Stdin}
	if term.IsTerminal(int(s.in.Fd())) {
		was, err := term.MakeRaw(int(s.in.Fd()))
		if err != nil {
			return nil, fmt.Errorf("read keys: %w", err)
		}
		s.was = was
	}
	if _, err := out.WriteString(otherPage); err != nil {
		return nil, errors.Join(fmt.Errorf("draw: %w", err), s.close())
	}
	return s, nil
}

func (s *screen) close() error {
	_, err := s.out.WriteString(firstPage)
	if s.was != nil {
		err = errors.Join(err, term.Restore(int(s.in.Fd()), s.was))
	}
	if err != nil {
		return fmt.Errorf("give the terminal back: %w", err)
	}
	return nil
}

// size is that of the terminal now.
func (s *screen) size() (width, height int) {
	width, height, err := term.GetSize(int(s.out.Fd()))
	if err != nil || width <= 0 || height <= 0 {
		width, height = 80, 24
	}
	return width, height
}

// draw replaces what the screen shows. Rows are overwritten one by one, so that nothing flickers.
func (s *screen) draw(text string) error {
	s.width, s.tall = s.size()
	text = strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", restOfRow+"\r\n")
	if _, err := s.out.WriteString(topLeft + text + restOfRow + restBelow); err != nil {
		return fmt.Errorf("draw: %w", err)
	}
	return nil
}

// glance is how long a wait for a key goes on without looking whether the terminal has another size.
const glance = 100 * time.Millisecond

// key waits for a key, a change of the terminal's size or the end of a time, and returns 0 for the latter two.
func (s *screen) key(ctx context.Context, until time.Time) (byte, error) {
	for {
		wait := min(glance, time.Until(until))
		if ctx.Err() != nil || wait <= 0 {
			return 0, ctx.Err()
		}
		if width, tall := s.size(); width != s.width || tall != s.tall {
			return 0, nil
		}
		watched := []unix.PollFd{}
		if s.was != nil {
			watched = append(watched, unix.PollFd{Fd: int32(s.in.Fd()), Events: unix.POLLIN})
		}
		n, err := unix.Poll(watched, int(wait.Milliseconds())+1)
		if errors.Is(err, unix.EINTR) || err == nil && n == 0 {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("read keys: %w", err)
		}
		var b [1]byte
		if n, err := s.in.Read(b[:]); err != nil || n == 0 {
			return ctrlC, nil // the terminal is gone
		}
		return b[0], nil
	}
}
