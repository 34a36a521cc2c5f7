package vector

import (
	"context"
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"

	"github.com/freshet/freshet/stream"
)

// Report is what an audit has found.
type Report struct {
	Rows        int     // in the index
	Sample      int     // live rows that were asked for
	Recall      float64 // share of the ten truly nearest rows that searches found
	Unreachable int     // rows of the sample that a search for their own vector did not find; always 0
}

// auditK is how many neighbours a recall is measured on.
const auditK = 10

// probe is a live row that searches are measured with.
type probe struct {
	self  *rowInfo
	own   *query // its own vector
	near  *query // a vector near it, as a user's query would be
	truth map[string]bool
	least float32 // score of the last of truth
}

// Audit takes a sample of live rows and searches, as users do, for each row itself and for a vector near it, and
// compares with a scan of all rows. It also reads each row of the sample from the truth, so that an index that has
// parted from it is found out as damage (I10). It takes about as long as 3·sample searches with Exact.
func (x *Index) Audit(ctx context.Context, sample int) (Report, error) {
	v := x.View()
	defer v.Close()
	report, err := v.audit(ctx, sample)
	if err != nil {
		return Report{}, fmt.Errorf("audit vector index: %w", err)
	}
	x.audited.Store(&report)
	return report, nil
}

func (v *View) audit(ctx context.Context, sample int) (Report, error) {
	if err := v.begin(ctx); err != nil {
		return Report{}, err
	}
	defer v.mu.RUnlock()
	r := Report{Rows: v.state.rows, Recall: 1}
	probes, err := v.sampleProbes(ctx, sample, rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())))
	if err != nil || len(probes) == 0 {
		return r, err
	}
	r.Sample = len(probes)
	if r.Recall, r.Unreachable, err = v.recall(ctx, probes); err != nil {
		return r, err
	}
	rows := make([]*rowInfo, len(probes))
	for i := range probes {
		rows[i] = probes[i].self
	}
	return r, v.payloads(rows, func(int, []byte) error { return nil })
}

// sampleProbes draws rows and finds the true neighbours of a vector near each.
func (v *View) sampleProbes(ctx context.Context, n int, r *rand.Rand) ([]probe, error) {
	e := v.x.enc
	var out []probe
	vec := make([]float32, e.dims)
	left := v.state.rows
	for b := range v.blocks() {
		for mask := b.visible(v.state.epoch); mask != 0; mask &= mask - 1 {
			// Each of the rows left is taken with the same chance.
			take := r.IntN(max(1, left)) < n-len(out)
			left--
			if !take {
				continue
			}
			i := bits.TrailingZeros64(mask)
			row := b.encodedAt(i, e, nil)
			e.decode(row, vec)
			p := probe{self: &b.rows[i], own: e.planes(vec)}
			p.own.norm2 = row.norm2
			p.near = e.near(vec, row.norm2, r)
			if err := v.findTruth(ctx, &p); err != nil {
				return nil, err
			}
			out = append(out, p)
		}
	}
	return out, nil
}

// near returns a query at about a third of the vector's length from it.
func (e *encoder) near(vec []float32, norm2 float32, r *rand.Rand) *query {
	scale := 0.3 * math.Sqrt(float64(norm2)/float64(e.dims))
	other := make([]float32, len(vec))
	var sum float32
	for i, f := range vec {
		other[i] = f + float32(r.NormFloat64()*scale)
		sum += other[i] * other[i]
	}
	if e.metric == stream.Cosine && sum > 0 {
		inv := float32(1 / math.Sqrt(float64(sum)))
		for i := range other {
			other[i] *= inv
		}
		sum = 1
	}
	q := e.planes(other)
	q.norm2 = sum
	return q
}

func (v *View) findTruth(ctx context.Context, p *probe) error {
	s := newScan(v.x.enc, v.state, p.near, 1)
	t := newTop(auditK + margin(auditK))
	if err := s.rankAll(ctx, s.all(), t); err != nil {
		return err
	}
	s.refine(t.heap)
	best := ranked(t.heap)
	best = best[:min(auditK, len(best))]
	p.truth = make(map[string]bool, len(best))
	for i := range best {
		p.truth[best[i].row().key] = true
		p.least = best[i].rank
	}
	return nil
}

// recall searches as users do and compares.
func (v *View) recall(ctx context.Context, probes []probe) (recall float64, unreachable int, err error) {
	found, wanted := 0, 0
	for i := range probes {
		p := &probes[i]
		list, err := v.approximate(ctx, p.near)
		if err != nil {
			return 0, 0, err
		}
		wanted += len(p.truth)
		n := 0
		for j := range list {
			// A row that scores as well as the last true one is as good.
			if p.truth[list[j].row().key] || list[j].rank >= p.least {
				n++
			}
		}
		found += min(n, len(p.truth))
		if list, err = v.approximate(ctx, p.own); err != nil {
			return 0, 0, err
		}
		if !holds(list, p, newScan(v.x.enc, v.state, p.own, 1)) {
			unreachable++
		}
	}
	return float64(found) / float64(max(1, wanted)), unreachable, nil
}

// holds reports whether a search for a row's own vector has found the row, or only rows that are as near.
func holds(list []candidate, p *probe, s *scan) bool {
	self := float32(math.Inf(1))
	switch s.enc.metric {
	case stream.Cosine:
		self = 1
	case stream.Dot:
		self = p.own.norm2
	case stream.L2:
		self = 0
	}
	for i := range list {
		if list[i].row().key == p.self.key {
			return true
		}
	}
	const slack = 1e-3 // what 12 bits cannot tell apart
	return len(list) == auditK && list[auditK-1].rank >= self-slack*max(1, p.own.norm2)
}

// approximate is what Search does for K = auditK without a filter.
func (v *View) approximate(ctx context.Context, q *query) ([]candidate, error) {
	s := newScan(v.x.enc, v.state, q, 1)
	t := newTop(auditK + margin(auditK))
	if err := v.collect(ctx, s, t, v.state.rows, false); err != nil {
		return nil, err
	}
	s.refine(t.heap)
	list := ranked(t.heap)
	return list[:min(auditK, len(list))], nil
}
