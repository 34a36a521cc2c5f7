package cdctest

import (
	"context"
	"errors"
	"fmt"

	"github.com/freshet/freshet/cdc"
)

// The checks of what a restart finds, after a clean end and after a crash.

func checkIdle(ctx context.Context, h Harness) error {
	first, want, err := copied(ctx, h, 20)
	if err != nil {
		return err
	}
	next := first.inlet.Crash()
	t, err := once(ctx, h, next, nil)
	if err != nil {
		return err
	}
	// A source may note anew what changed just before it was read, with the row as it was; nothing else.
	for _, p := range next.Puts() {
		key, value, err := h.Read(p.Change)
		if err != nil {
			return err
		}
		if p.Snapshot || p.After == nil || p.Note == nil || want[key] != value {
			return fmt.Errorf("restart: %s of %q = %q is put, although nothing changed", p.Op, key, value)
		}
	}
	return t.has(want)
}

func checkDown(ctx context.Context, h Harness) error {
	first, want, err := copied(ctx, h, 10)
	if err != nil {
		return err
	}
	if err := errors.Join(h.Delete("k3"), h.Write("k4", "other"), h.Write("late", "comer")); err != nil {
		return err
	}
	delete(want, "k3")
	want["k4"], want["late"] = "other", "comer"
	t, err := once(ctx, h, first.inlet.Crash(), nil)
	if err != nil {
		return err
	}
	return t.has(want)
}

func checkCrash(ctx context.Context, h Harness) error {
	want, err := write(h, 10)
	if err != nil {
		return err
	}
	in := NewInlet()
	err = live(ctx, h, in, func(t *trial) error {
		in.Defer()
		for _, key := range []string{"first", "second"} {
			want[key] = "value"
			if err := h.Write(key, "value"); err != nil {
				return err
			}
			if err := t.holds(ctx, want); err != nil {
				return err
			}
			if key == "first" {
				in.Durable(in.Last())
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	next := in.Crash()
	t, err := once(ctx, h, next, nil)
	if err != nil {
		return err
	}
	if err := t.has(want); err != nil {
		return fmt.Errorf("after the crash %w", err)
	}
	for _, p := range next.Puts() {
		if p.Position != "" && p.Position <= in.Position() {
			return fmt.Errorf("position %x is put again, and %x was durable", p.Position, in.Position())
		}
	}
	return nil
}

func checkRescan(ctx context.Context, h Harness) error {
	source, err := h.Source()
	if err != nil {
		return err
	}
	if r, ok := source.(interface{ Rescans() bool }); !ok || !r.Rescans() {
		return nil
	}
	first, want, err := copied(ctx, h, 10)
	if err != nil {
		return err
	}
	if err := h.Delete("k7"); err != nil {
		return err
	}
	delete(want, "k7")
	next := first.inlet.Crash()
	t, err := once(ctx, h, next, func(s *cdc.Start) { s.Rescan = true })
	if err != nil {
		return err
	}
	read := make(map[string]bool)
	for _, p := range next.Puts() {
		key, _, err := h.Read(p.Change)
		if err != nil {
			return err
		}
		read[key] = read[key] || p.Snapshot && p.After != nil
	}
	for key := range want {
		if !read[key] {
			return fmt.Errorf("the row of %q is not put as a snapshot change", key)
		}
	}
	return t.has(want)
}
