package engine_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/streamtest"
)

// kept is a table whose instances are told apart: it notes which were opened, and has them removed when they are replaced.
type kept struct {
	*streamtest.TableSink
	opened, dropped *[]uint32
	fault           *error // of Drop
}

func (k kept) Open(ctx context.Context, target stream.Target) (stream.Writer, error) {
	*k.opened = append(*k.opened, target.Instance)
	return k.TableSink.Open(ctx, target)
}

func (k kept) Drop(_ context.Context, target stream.Target) error {
	*k.dropped = append(*k.dropped, target.Instance)
	return *k.fault
}

// keeping plays with source → table, whose key may change from run to run: each change makes another instance.
func keeping(t *testing.T, play func(d *direct, m *machine, k kept)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		d, k := newDirect(), kept{opened: new([]uint32), dropped: new([]uint32), fault: new(error)}
		m := newMachine(t, func(dead func() bool) *stream.Flow {
			f := stream.New("kept")
			f.AddSource("rows", d.source)
			f.AddSink("table", []string{"rows"}, kept{d.table.Sink().Until(dead), k.opened, k.dropped, k.fault}, d.options)
			return f
		})
		commitRow(d.source, "a", "x", 1)
		play(d, m, k)
	})
}

const rowA = `{"id":"a","body":"x","other":1}`

// A number that a target has heard of is given to no other target, whatever of the change of logic survives the crash:
// the second would take the first one's rows for its own (I3).
func TestAnInstanceIsGivenOnce(t *testing.T) {
	keys := []struct {
		columns []string
		row     string
	}{{nil, "a"}, {[]string{"body"}, "x"}, {[]string{"other"}, "1"}, {[]string{"body", "other"}, "x/1"}}
	for killAt := 1; killAt <= 3; killAt++ {
		t.Run(fmt.Sprintf("killed at durable step %d", killAt), func(t *testing.T) {
			keeping(t, func(d *direct, m *machine, k kept) {
				logic := map[uint32]string{}
				look := func() {
					for _, instance := range *k.opened {
						key := fmt.Sprint(d.options.Key)
						if was, ok := logic[instance]; ok && was != key {
							t.Errorf("instance %d had the key %s and has %s now", instance, was, key)
						}
						logic[instance] = key
					}
					*k.opened = nil
				}
				for i := range 12 {
					d.options.Key = keys[i%len(keys)].columns
					m.dieAt("", killAt, 0)
					_ = m.once()
					m.crash = nil
					look()
				}
				key := keys[1]
				d.options.Key = key.columns
				if err := m.once(); err != nil {
					t.Fatal(err)
				}
				look()
				if len(logic) < 4 {
					t.Errorf("only %d instances were opened", len(logic))
				}
				sameRows(t, d.table, map[string]string{key.row: rowA})
			})
		})
	}
}

// What a replaced target leaves behind is removed although the first tries fail, and nothing waits for it.
func TestAReplacedTargetIsRemovedInTheEnd(t *testing.T) {
	keeping(t, func(d *direct, m *machine, k kept) {
		run := func(fault error, drops int) {
			t.Helper()
			*k.fault, *k.dropped = fault, nil
			if err := m.once(); err != nil {
				t.Fatal(err)
			}
			if len(*k.dropped) != drops {
				t.Errorf("%d instances were dropped, %v, want %d", len(*k.dropped), *k.dropped, drops)
			}
		}
		run(nil, 0)
		first := (*k.opened)[0]
		d.options.Key = []string{"body"}
		run(errors.New("the server is away"), 1)
		sameRows(t, d.table, map[string]string{"x": rowA})
		run(errors.New("it is still away"), 1)
		run(nil, 1)
		if (*k.dropped)[0] != first {
			t.Errorf("instance %d was dropped, want %d", (*k.dropped)[0], first)
		}
		run(nil, 0)
		sameRows(t, d.table, map[string]string{"x": rowA})
	})
}
