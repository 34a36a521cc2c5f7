package kafka

import (
	"testing"

	"github.com/freshet/freshet/cdc"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func drawCursor(t *rapid.T) *cursor {
	c := &cursor{number: rapid.Uint64().Draw(t, "number")}
	for _, name := range rapid.SliceOfDistinct(rapid.StringMatching(`[a-z.]{1,8}`), rapid.ID).Draw(t, "topics") {
		topic := topicCursor{name: name}
		copy(topic.id[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
		for _, n := range rapid.SliceOfDistinct(rapid.Int32Range(0, 1<<31-1), rapid.ID).Draw(t, "partitions") {
			topic.add(partitionCursor{partition: n, next: rapid.Int64Range(0, 1<<63-1).Draw(t, "next"), epoch: rapid.Int32Range(-1, 1<<31-3).Draw(t, "epoch")})
		}
		c.add(topic)
	}
	return c
}

var comparing = cmp.AllowUnexported(cursor{}, topicCursor{}, partitionCursor{}, place{})

func TestCursorsComeBackAsTheyWentIn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawCursor(t)
		got, err := decodeCursor(cdc.Position(want.append(nil)))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, comparing); diff != "" {
			t.Fatal(diff)
		}
		for i := range want.topics {
			for _, p := range want.topics[i].partitions {
				if at := got.partition(want.topics[i].name, p.partition); at == nil || *at != p {
					t.Fatalf("%s/%d is found as %v, want %v", want.topics[i].name, p.partition, at, p)
				}
			}
		}
	})
}

// The place of a record lies behind every earlier transaction and before the end of its own.
func TestPositionsOrderAsTransactionsDo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCursor(t)
		c.number = rapid.Uint64Range(1, 1<<63).Draw(t, "number")
		before := &cursor{number: c.number - 1, topics: c.topics}
		at := place{topic: "t", partition: rapid.Int32Range(0, 99).Draw(t, "partition"), offset: rapid.Int64Range(0, 1<<40).Draw(t, "offset")}
		record := string(at.append(nil, c.number))
		if !(string(before.append(nil)) < record && record < string(c.append(nil))) {
			t.Fatalf("%x does not lie between %x and %x", record, before.append(nil), c.append(nil))
		}
		_, got, err := decodePosition(cdc.Position(record))
		if err != nil || *got != at {
			t.Fatalf("the place comes back as %v (%v), want %v", got, err, at)
		}
	})
}

func TestPositionsAreWrittenForPeople(t *testing.T) {
	one := &cursor{topics: []topicCursor{{name: "orders", partitions: []partitionCursor{{0, 120, -1}, {1, 98, 3}}}}}
	if got := one.text(false); got != "0:120,1:98" {
		t.Errorf("the cursor of one topic is %q", got)
	}
	two := &cursor{topics: []topicCursor{{name: "orders", partitions: []partitionCursor{{0, 120, -1}}}, {name: "returns", partitions: []partitionCursor{{0, 7, -1}}}}}
	if got := two.text(true); got != "orders/0:120,returns/0:7" {
		t.Errorf("the cursor of two topics is %q", got)
	}
	back, err := parseCursor("", two.text(true))
	if diff := cmp.Diff(two, back, comparing); diff != "" || err != nil {
		t.Errorf("it is read as (-want +got, %v):\n%s", err, diff)
	}
	for _, wrong := range []string{"", "0", "0:", ":1", "a:1", "0:1,0:2", "-1:3", "0:9223372036854775808", "0:1;1:2"} {
		if c, err := parseCursor("t", wrong); err == nil {
			t.Errorf("%q is read as %v", wrong, c)
		}
	}
}

func TestAPositionIsReachedByEveryPartitionItNames(t *testing.T) {
	at, err := parseCursor("t", "0:120,1:98")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{"0:120,1:98": true, "1:98": true, "0:1,1:2": true, "0:121": false, "0:120,1:99": false, "2:1": false, "0:120,2:0": true} {
		c, err := parseCursor("t", text)
		if err != nil {
			t.Fatal(err)
		}
		if got := at.reached(c); got != want {
			t.Errorf("%s at 0:120,1:98 is reached: %v, want %v", text, got, want)
		}
	}
}

func FuzzPosition(f *testing.F) {
	c := &cursor{number: 7, topics: []topicCursor{{name: "orders", partitions: []partitionCursor{{0, 120, -1}, {1, 98, 3}}}}}
	f.Add(c.append(nil))
	f.Add(place{topic: "orders", partition: 3, offset: 1 << 40}.append(nil, 9))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, at, err := decodePosition(cdc.Position(b))
		if err != nil {
			return
		}
		var again []byte
		if c != nil {
			again = c.append(nil)
		} else {
			number := &cursor{}
			for _, x := range b[:8] {
				number.number = number.number<<8 | uint64(x)
			}
			again = at.append(nil, number.number)
		}
		if string(again) != string(b) {
			t.Fatalf("%x is read as what is written %x", b, again)
		}
	})
}
