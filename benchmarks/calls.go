package main

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/freshet/freshet/cdc"
)

// calls edits, copies, renames, reverts and deletes documents through several starts, and counts the
// texts that the model is paid for against the different texts that there ever were.
func calls(ctx context.Context, s scale) ([]figure, error) {
	const starts = 4
	n := s.of(20_000)
	f := newFlow(s, 8)
	f.model.distinct = map[uint64]struct{}{}
	rng := rand.New(rand.NewPCG(1, 2))
	documents := make([]document, n)
	for i := range documents {
		documents[i] = document{key: i, text: i, size: 4000}
	}
	watch := s.watch("all")
	for start := range starts {
		err := f.run(ctx, func(ctx context.Context, in *feed) error {
			if start == 0 {
				if err := in.upserts(ctx, sliceOf(documents)); err != nil {
					return err
				}
			}
			for range 4 {
				if err := churn(ctx, in, rng, documents); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	took := watch.lap()
	texts, distinct := f.model.paid()
	return []figure{{Name: fmt.Sprintf("calls over the fewest, %d starts", starts), Value: float64(texts) / float64(distinct), Unit: "times",
		Target: 1, AtMost: true, CPU: took.cpu, Wall: took.wall, BesideName: fmt.Sprintf("%s texts of %s documents", number(float64(distinct)), number(float64(n)))}}, nil
}

func sliceOf(documents []document) func(func(document) bool) {
	return func(yield func(document) bool) {
		for _, d := range documents {
			if !yield(d) {
				return
			}
		}
	}
}

// churn changes a fifth of the documents: an edit, a copy of another, a move to a new key, a revert, or a
// delete that comes back later.
func churn(ctx context.Context, in *feed, rng *rand.Rand, documents []document) error {
	var changed, gone []document
	for range len(documents) / 5 {
		d := &documents[rng.IntN(len(documents))]
		switch rng.IntN(5) {
		case 0:
			d.body++
		case 1:
			from := documents[rng.IntN(len(documents))]
			d.text, d.body = from.text, from.body
		case 2:
			gone = append(gone, *d)
			d.key += len(documents)
		case 3:
			d.body = max(d.body-1, 0)
		case 4:
			gone = append(gone, *d)
			continue
		}
		changed = append(changed, *d)
	}
	if err := in.changes(ctx, cdc.Delete, sliceOf(gone)); err != nil {
		return err
	}
	return in.upserts(ctx, sliceOf(changed))
}
