package stream

import "fmt"

// Metric says how the likeness of two vectors is measured. A sink that is searched stores its vectors for one.
type Metric uint8

// The metrics. The score of a [Hit] is greater for what is more alike.
const (
	Cosine Metric = iota // score: cosine of the angle, −1 to 1; lengths do not matter
	Dot                  // score: inner product
	L2                   // score: Euclidean distance, negated, so at most 0
)

// String returns the name that flow files use.
func (m Metric) String() string {
	switch m {
	case Cosine:
		return "cosine"
	case Dot:
		return "dot"
	case L2:
		return "l2"
	}
	return fmt.Sprintf("Metric(%d)", uint8(m))
}

// ParseMetric returns the metric of a name.
func ParseMetric(name string) (Metric, error) {
	for m := Cosine; m <= L2; m++ {
		if m.String() == name {
			return m, nil
		}
	}
	return 0, fmt.Errorf("parse metric %q: want cosine, dot or l2", name)
}
