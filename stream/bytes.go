package stream

import "fmt"

// Bytes is an amount of memory or disk that prints as people read it: 512 B, 1.5 KiB, 2.0 GiB.
type Bytes int64

// String writes the amount with one digit behind the point, in the largest unit of which it has one.
func (b Bytes) String() string {
	value, units := float64(b), []string{"B", "KiB", "MiB", "GiB", "TiB"}
	for len(units) > 1 && value >= 1024 {
		value, units = value/1024, units[1:]
	}
	if units[0] == "B" {
		return fmt.Sprintf("%d B", int64(b))
	}
	return fmt.Sprintf("%.1f %s", value, units[0])
}
