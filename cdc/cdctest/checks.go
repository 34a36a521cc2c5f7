package cdctest

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/freshet/freshet/cdc"
)

// Checks are the promises that every source keeps, in the order of their depth.
func Checks() []Check {
	return []Check{
		{"an empty source is caught up and exhausted at once", checkEmpty},
		{"once puts every row, says caught up and ends", checkSnapshot},
		{"rows have the columns that are asked for", checkColumns},
		{"live changes of a key come in order and end with the last", checkLive},
		{"nothing changed is nothing put after a restart", checkIdle},
		{"what changed while it was down is put after a restart", checkDown},
		{"a crash loses nothing and repeats only what was not durable", checkCrash},
		{"a row that comes and goes before it is durable is deleted", checkFleeting},
		{"while Put waits nothing is lost", checkHeld},
		{"a context that ends while Put waits ends the run", checkHeldStop},
		{"a rescan puts every row as a snapshot change", checkRescan},
	}
}

func checkEmpty(ctx context.Context, h Harness) error {
	in := NewInlet()
	if _, err := once(ctx, h, in, nil); err != nil {
		return err
	}
	if n := len(in.Puts()); n != 0 || in.Caught() != 1 {
		return fmt.Errorf("%d changes, CaughtUp was called %d times", n, in.Caught())
	}
	return nil
}

func checkSnapshot(ctx context.Context, h Harness) error {
	t, want, err := copied(ctx, h, 40)
	if err != nil {
		return err
	}
	if n := t.inlet.Caught(); n != 1 {
		return fmt.Errorf("CaughtUp was called %d times", n)
	}
	if err := t.has(want); err != nil {
		return err
	}
	for _, p := range t.inlet.Puts() {
		if p.Position == "" {
			return fmt.Errorf("the transaction of %q has not ended", p.Key.Text())
		}
	}
	return errors.Join(t.keyed(ctx), t.estimated(ctx))
}

// estimated holds what a source says of the number of its rows, where it says anything: there is a number for each collection.
func (t *trial) estimated(ctx context.Context) error {
	e, ok := t.source.(interface {
		Estimates(context.Context) ([]cdc.Estimate, error)
	})
	if !ok {
		return nil
	}
	rows, err := e.Estimates(ctx)
	if err != nil {
		return fmt.Errorf("estimate rows: %w", err)
	}
	collections, err := t.source.Collections(ctx)
	if err == nil && len(rows) != len(collections) {
		err = fmt.Errorf("the rows of %d collections are estimated as %v", len(collections), rows)
	}
	return err
}

// keyed holds the keys against the schema: they are what it makes of the rows.
func (t *trial) keyed(ctx context.Context) error {
	collections, err := t.source.Collections(ctx)
	if err != nil {
		return err
	}
	for _, p := range t.inlet.Puts() {
		if p.After == nil {
			continue
		}
		schema := collections[p.Collection].Schema
		if p.After.Len() != len(schema.Columns) {
			return fmt.Errorf("the row of %q has %d fields, the schema %s", p.Key.Text(), p.After.Len(), schema)
		}
		key, err := schema.AppendKey(nil, p.After)
		if err != nil || string(key) != string(p.Key) {
			return fmt.Errorf("the row of %q has the key %q: %v", p.Key.Text(), cdc.Key(key).Text(), err)
		}
	}
	return nil
}

func checkColumns(ctx context.Context, h Harness) error {
	if _, err := write(h, 3); err != nil {
		return err
	}
	var key []int
	in := NewInlet()
	t, err := once(ctx, h, in, func(s *cdc.Start) {
		source, err := h.Source()
		if err != nil {
			return
		}
		collections, err := source.Collections(ctx)
		if err != nil {
			return
		}
		key = collections[0].Schema.Key
		for range collections {
			s.Columns = append(s.Columns, key)
		}
	})
	if err != nil {
		return err
	}
	collections, err := t.source.Collections(ctx)
	if err != nil {
		return err
	}
	rows := 0
	for _, p := range in.Puts() {
		if p.After == nil {
			continue
		}
		rows++
		if p.After.Len() != len(key) {
			return fmt.Errorf("the row of %q has %d fields, %d were asked for", p.Key.Text(), p.After.Len(), len(key))
		}
		var got cdc.Key
		for i, c := range key {
			if got, err = cdc.AppendKeyValue(got, collections[p.Collection].Schema.Columns[c].Type.Kind, p.After.At(i)); err != nil {
				return err
			}
		}
		if string(got) != string(p.Key) {
			return fmt.Errorf("the fields of %q are those of %q", p.Key.Text(), got.Text())
		}
	}
	if rows != 3 {
		return fmt.Errorf("%d rows of 3", rows)
	}
	return nil
}

func checkLive(ctx context.Context, h Harness) error {
	want, err := write(h, 3)
	if err != nil {
		return err
	}
	return live(ctx, h, NewInlet(), func(t *trial) error {
		if err := t.has(want); err != nil {
			return fmt.Errorf("caught up, but %w", err)
		}
		if err := t.estimated(ctx); err != nil {
			return err
		}
		for i := range 50 {
			if err := h.Write("k1", strconv.Itoa(i)); err != nil {
				return err
			}
			if i%10 == 0 {
				want["k1"] = strconv.Itoa(i)
				if err := t.holds(ctx, want); err != nil {
					return err
				}
			}
		}
		want["k1"] = "49"
		want["new"] = "born"
		delete(want, "k2")
		if err := errors.Join(h.Write("new", "born"), h.Delete("k2")); err != nil {
			return err
		}
		if err := t.holds(ctx, want); err != nil {
			return err
		}
		return t.rises("k1")
	})
}

// rises makes sure that the numbers under a key never fall.
func (t *trial) rises(key string) error {
	last := -1
	for _, p := range t.inlet.Puts() {
		k, value, err := t.h.Read(p.Change)
		if err != nil {
			return err
		}
		n, err := strconv.Atoi(value)
		if k != key || p.After == nil || err != nil {
			continue
		}
		if n < last {
			return fmt.Errorf("%s was %d and then %d", key, last, n)
		}
		last = n
	}
	return nil
}

func checkFleeting(ctx context.Context, h Harness) error {
	return live(ctx, h, NewInlet(), func(t *trial) error {
		t.inlet.Defer()
		if err := h.Write("fleeting", "here"); err != nil {
			return err
		}
		if err := t.holds(ctx, map[string]string{"fleeting": "here"}); err != nil {
			return err
		}
		if err := h.Delete("fleeting"); err != nil {
			return err
		}
		return t.holds(ctx, map[string]string{})
	})
}

func checkHeld(ctx context.Context, h Harness) error {
	want, err := write(h, 5)
	if err != nil {
		return err
	}
	in := NewInlet()
	return live(ctx, h, in, func(t *trial) error {
		in.Hold()
		want["k2"] = "stuck"
		if err := h.Write("k2", "stuck"); err != nil {
			return err
		}
		if err := t.wait(ctx, "a Put that waits", func() bool { return in.Waiting() > 0 }); err != nil {
			return err
		}
		for i := range 200 {
			key := fmt.Sprintf("more%d", i)
			want[key] = "thing"
			if err := h.Write(key, "thing"); err != nil {
				return err
			}
		}
		want["k0"] = "free"
		delete(want, "k1")
		if err := errors.Join(h.Write("k0", "free"), h.Delete("k1")); err != nil {
			return err
		}
		in.Release()
		return t.holds(ctx, want)
	})
}

func checkHeldStop(ctx context.Context, h Harness) error {
	if _, err := write(h, 5); err != nil {
		return err
	}
	in := NewInlet()
	in.Hold()
	t, err := begin(ctx, h, in, nil)
	if err != nil {
		return err
	}
	err = t.wait(ctx, "a Put that waits", func() bool { return in.Waiting() > 0 })
	return errors.Join(err, t.end())
}

// write gives the world n rows.
func write(h Harness, n int) (map[string]string, error) {
	want := make(map[string]string, n)
	for i := range n {
		key, value := fmt.Sprintf("k%d", i), fmt.Sprintf("value%d", i)
		if err := h.Write(key, value); err != nil {
			return nil, fmt.Errorf("write %s: %w", key, err)
		}
		want[key] = value
	}
	return want, nil
}

// has makes sure that the rows put so far are exactly these.
func (t *trial) has(want map[string]string) error {
	got, err := t.values()
	if err != nil {
		return err
	}
	if !equal(got, want) {
		return fmt.Errorf("the rows are %v, not %v", got, want)
	}
	return nil
}
