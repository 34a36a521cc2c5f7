package main

import (
	"bytes"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// A person who waits longer than two seconds is told what for, once; a program is not.
func TestAPersonIsToldWhatIsWaitedFor(t *testing.T) {
	fails := errors.New("it fails")
	for _, c := range []struct {
		name     string
		terminal bool
		takes    time.Duration
		want     string
	}{
		{"short", true, time.Second, ""},
		{"long", true, time.Minute, "freshet: still waiting for model small\n"},
		{"long, and nobody looks", false, time.Minute, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var said bytes.Buffer
				person := cli{err: &said, terminal: c.terminal}
				err := person.meanwhile(t.Context(), "model small", func() error {
					time.Sleep(c.takes)
					return fails
				})
				if !errors.Is(err, fails) || said.String() != c.want {
					t.Errorf("%v, %q was said, not %q", err, said.String(), c.want)
				}
			})
		})
	}
}
