package vector

import (
	"context"
	"fmt"
	"math/bits"
	"slices"
	"strings"
)

// scanShare is how many rows Scan reads at once.
const scanShare = 1024

// Scan calls fn for every row of the view, in order of keys, until fn returns an error, which Scan returns wrapped.
// Key and payload are valid during the call.
func (v *View) Scan(ctx context.Context, fn func(key []byte, version uint64, payload []byte) error) error {
	if err := v.begin(ctx); err != nil {
		return fmt.Errorf("scan vector index: %w", err)
	}
	defer v.mu.RUnlock()
	rows := make([]*rowInfo, 0, v.state.rows)
	for b := range v.blocks() {
		for mask := b.visible(v.state.epoch); mask != 0; mask &= mask - 1 {
			rows = append(rows, &b.rows[bits.TrailingZeros64(mask)])
		}
	}
	if len(rows) != v.state.rows {
		panic(fmt.Sprintf("vector: view of %d rows sees %d", v.state.rows, len(rows)))
	}
	slices.SortFunc(rows, func(a, b *rowInfo) int { return strings.Compare(a.key, b.key) })
	for share := range slices.Chunk(rows, scanShare) {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("scan vector index: %w", err)
		}
		err := v.payloads(share, func(i int, payload []byte) error {
			return fn([]byte(share[i].key), share[i].version, payload)
		})
		if err != nil {
			return fmt.Errorf("scan vector index: %w", err)
		}
	}
	return nil
}
