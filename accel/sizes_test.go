package accel

import "testing"

func TestRequestsAreCountedByTheirRows(t *testing.T) {
	var s Sizes
	for _, n := range []int{1, 2, 3, 4, 5, 64, 65536, 1 << 20} {
		s.add(n)
	}
	if want := (Sizes{0: 1, 1: 1, 2: 2, 3: 1, 6: 1, 16: 2}); s != want {
		t.Errorf("%v, want %v", s, want)
	}
}
