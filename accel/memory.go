package accel

const (
	// regrowAfter is how many requests are answered before the budget of tokens grows again, by a sixteenth.
	regrowAfter = 64
	regrowPart  = 16
	// memoryFloor is the least budget: below it a text goes alone anyway.
	memoryFloor = 16
)

// memory bounds a request by what the model's memory has been seen to take. Each time that a request is too
// much the budget is halved; it grows again slowly, to just below the size that was too much.
type memory struct {
	budget int // tokens of a request, padding included where the model pads
	most   int
	burst  int // the size that was too much; 0: none was
	good   int // requests answered since the budget last moved
}

// exceeded notes a request of that many tokens that was too much. Requests that were already on their way
// when the budget was last lowered do not lower it again.
func (m *memory) exceeded(tokens int) {
	m.burst, m.good = min(tokens, max(m.burst, tokens)), 0
	if tokens <= m.budget || m.budget == m.most {
		m.budget = max(memoryFloor, min(m.budget, tokens)/2)
	}
}

// answered notes a request that was not too much.
func (m *memory) answered() {
	if m.burst == 0 || m.budget >= m.most {
		return
	}
	if m.good++; m.good < regrowAfter {
		return
	}
	m.good = 0
	m.budget = min(m.most, m.budget+m.budget/regrowPart, max(m.budget, m.burst*9/10))
}
