package streamtest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

func (c *sinkCase) deleteAbsent() {
	c.open()
	c.apply(sinkEpoch{1, []sinkRow{{owner: "a", part: 1, remove: true}}})
	c.verify("after a delete")
	c.apply(sinkEpoch{2, []sinkRow{textRow("a", 1, "x"), {owner: "b", part: 1, remove: true}}})
	c.verify("after an upsert behind the delete")
	c.apply(sinkEpoch{3, []sinkRow{{owner: "a", part: 1, remove: true}}})
	c.apply(sinkEpoch{4, []sinkRow{{owner: "a", part: 1, remove: true}}})
	c.verify("after two deletes")
	c.apply(sinkEpoch{5, []sinkRow{textRow("a", 1, "back")}})
	c.reopen()
	c.verify("after it has come back")
}

func (c *sinkCase) oddValues() {
	c.open()
	keys := []string{"", " ", "/", "a/b", "a%2Fb", "%", "100%", "ä", "日本語", "👩‍🔬", "a\nb", "tab\t", `quote"s`, `back\slash`,
		"null\x00byte", "<b>&amp;", "\u2028", "'; drop table t; --", strings.Repeat("k", 4<<10)}
	if c.traits.NoNUL {
		keys = slices.DeleteFunc(keys, func(key string) bool { return strings.Contains(key, "\x00") })
	}
	e := sinkEpoch{number: 1}
	zero, tiny := -0.5, 5e-324
	for i, key := range keys {
		r := textRow(key, int64(i)-3, key)
		if i%3 == 0 {
			r.text = nil
		}
		if i%2 == 0 {
			r.number = []*float64{&zero, &tiny}[i/2%2]
		}
		e.rows = append(e.rows, r)
	}
	e.rows = append(e.rows, textRow("edge", -1<<63, "least"), textRow("edge", 1<<63-1, "most"))
	c.apply(e)
	c.verify("odd keys")
	c.reopen()
	c.verify("odd keys after a restart")
	for i := range e.rows {
		e.rows[i].remove = i%2 == 0
	}
	e.number = 2
	c.apply(e)
	c.verify("after half of them left")
}

func (c *sinkCase) largeRows() {
	c.open()
	e := sinkEpoch{number: 1}
	for i := range 6 {
		e.rows = append(e.rows, textRow("large", int64(i), strings.Repeat(fmt.Sprintf("%d line\n", i), 1<<(6+2*i))))
	}
	for i := range 2000 {
		e.rows = append(e.rows, textRow("many", int64(i), fmt.Sprint(i)))
	}
	c.apply(e)
	c.verify("large rows")
	c.reopen()
	c.verify("large rows after a restart")
}

func (c *sinkCase) ownersChange() {
	c.open()
	rng := rand.New(rand.NewPCG(3, 1))
	parts := map[string]int{}
	for n := range uint64(60) {
		owner := fmt.Sprintf("doc%d", rng.IntN(3))
		size := rng.IntN(50)
		if rng.IntN(10) == 0 {
			size = 0
		}
		e := sinkEpoch{number: n + 1}
		for i := range max(size, parts[owner]) {
			r := textRow(owner, int64(i), fmt.Sprintf("v%d", n))
			r.remove = i >= size
			e.rows = append(e.rows, r)
		}
		if parts[owner] = size; len(e.rows) > 0 {
			c.apply(e)
		}
		if n%15 == 14 {
			c.verify(fmt.Sprintf("after %d changes", n+1))
		}
	}
}

func (c *sinkCase) severalCollections() {
	c.collections = sinkCollections(c.traits, 3)
	c.open()
	e := sinkEpoch{number: 1}
	for i := range 12 {
		r := textRow(fmt.Sprintf("o%d", i), 0, fmt.Sprintf("of collection %d", i%3))
		r.collection = i % 3
		e.rows = append(e.rows, r)
	}
	c.apply(e)
	c.verify("three collections")
	for i := range e.rows {
		e.rows[i].remove = e.rows[i].collection == 1
	}
	e.number = 2
	c.apply(e)
	c.reopen()
	c.verify("after one of them left")
}
