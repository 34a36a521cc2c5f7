package kafka

import (
	"strings"
	"testing"
)

// What is gone before the cursor was taken; what is gone behind it is lost (I10).
func TestOnlyWhatWasNotReadIsLost(t *testing.T) {
	one, other := [16]byte{1}, [16]byte{2}
	at := func(id [16]byte, next int64) *cursor {
		return &cursor{topics: []topicCursor{{name: "orders", id: id, partitions: []partitionCursor{{partition: 0, next: next, epoch: -1}}}}}
	}
	seen := func(id [16]byte, first, last int64) map[string]surveyed {
		return map[string]surveyed{"orders": {id: id, partitions: map[int32]extent{0: {first: first, last: last, stable: last}}}}
	}
	for _, c := range []struct {
		name   string
		cursor *cursor
		seen   map[string]surveyed
		want   string // part of the fault; empty: there is none
	}{
		{"nothing is gone", at(one, 5), seen(one, 0, 10), ""},
		{"the cursor is at the end", at(one, 10), seen(one, 0, 10), ""},
		{"what was read is gone", at(one, 5), seen(one, 5, 10), ""},
		{"everything was read and is gone", at(one, 10), seen(one, 10, 10), ""},
		{"a record that was not read is gone", at(one, 5), seen(one, 6, 10), "begins at offset 6"},
		{"the end lies before the cursor", at(one, 5), seen(one, 0, 4), "ends at offset 4"},
		{"another topic has the name", at(one, 5), seen(other, 0, 10), "made again"},
		{"brokers that tell no ids", at([16]byte{}, 5), seen(other, 0, 10), ""},
		{"the topic is gone", at(one, 5), map[string]surveyed{}, "is gone"},
		{"a partition is gone", at(one, 5), map[string]surveyed{"orders": {id: one}}, "lost its partition 0"},
		{"a partition has come", at(one, 5), map[string]surveyed{"orders": {id: one, partitions: map[int32]extent{0: {last: 9}, 1: {}}}}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.cursor.gap(c.seen)
			if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "orders")) {
				t.Errorf("it says %v, want %q and the topic", err, c.want)
			}
		})
	}
}
