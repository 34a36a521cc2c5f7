package backpressure

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// I9: whatever is taken, moved and given back, granted is the sum of the other four for every stage, and
// nothing is lost.
func TestCreditsAreConserved(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		total := Amount{Rows: 100, Bytes: 10_000}
		pool := NewPool(total)
		var stages []*Credits
		for range rapid.IntRange(1, 4).Draw(t, "stages") {
			stages = append(stages, pool.Stage("s"))
		}
		held := make([]map[Holding]Amount, len(stages))
		for i := range held {
			held[i] = map[Holding]Amount{}
		}
		for range rapid.IntRange(1, 60).Draw(t, "moves") {
			i := rapid.IntRange(0, len(stages)-1).Draw(t, "stage")
			a := Amount{Rows: 1, Bytes: rapid.Int64Range(1, 3000).Draw(t, "bytes"), Tokens: 7}
			from := Holding(rapid.IntRange(0, 2).Draw(t, "from"))
			to := Holding(rapid.IntRange(0, 2).Draw(t, "to"))
			had := held[i][from]
			switch {
			case rapid.Bool().Draw(t, "take") || had.Rows == 0:
				stages[i].Take(a)
				held[i][Queued] = held[i][Queued].Plus(a)
			case rapid.Bool().Draw(t, "move"):
				stages[i].Move(had, from, to)
				held[i][from] = Amount{}
				held[i][to] = held[i][to].Plus(had)
			default:
				stages[i].Return(had, from)
				held[i][from] = Amount{}
			}
			var free, used Amount
			for k, b := range pool.Balances() {
				if sum := b.Free.Plus(b.Queued).Plus(b.InFlight).Plus(b.Retrying); sum != b.Granted {
					t.Fatalf("granted %+v, the others come to %+v", b.Granted, sum)
				}
				if b.Queued != held[k][Queued] || b.InFlight != held[k][InFlight] || b.Retrying != held[k][Retrying] {
					t.Fatalf("stage %d holds %+v, want %+v", k, b, held[k])
				}
				free, used = free.Plus(b.Free), used.Plus(b.Queued).Plus(b.InFlight).Plus(b.Retrying)
			}
			if used == (Amount{}) && free.Bytes > total.Bytes {
				t.Fatalf("%d bytes are free of %d", free.Bytes, total.Bytes)
			}
		}
	})
}

func TestAStageThatIsFullStopsItsOwnIntakeAndNoOther(t *testing.T) {
	pool := NewPool(Amount{Bytes: 1000})
	greedy, modest := pool.Stage("greedy"), pool.Stage("modest")
	for range 75 {
		if !greedy.Open() {
			t.Fatal("closed although its own part and the shared one are not used up")
		}
		greedy.Take(Amount{Rows: 1, Bytes: 10})
	}
	if greedy.Open() {
		t.Error("open with its own quarter and the shared half used up")
	}
	if !modest.Open() {
		t.Error("a full neighbour has taken the part that is reserved")
	}
	modest.Take(Amount{Rows: 1, Bytes: 5000})
	if modest.Open() || greedy.Open() {
		t.Error("open although one owner that is larger than everything is taken alone")
	}
	greedy.Return(Amount{Rows: 1, Bytes: 600}, Queued)
	if !greedy.Open() {
		t.Error("closed although its own part is free again")
	}
}

func TestAPoolWithoutStagesHasNothingToTell(t *testing.T) {
	if b := NewPool(Amount{Bytes: 10}).Balances(); len(b) > 0 {
		t.Errorf("balances %+v", b)
	}
}

func TestACreditThatIsNotThereCannotBeGivenBack(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a credit was made of nothing")
		}
	}()
	c := NewPool(Amount{Rows: 2}).Stage("s")
	c.Take(Amount{Rows: 1})
	c.Return(Amount{Rows: 1}, InFlight)
}

func TestHoldingsAreNamedAsTheMetricsNameThem(t *testing.T) {
	var got []string
	for h := range holdings {
		got = append(got, h.String())
	}
	if diff := cmp.Diff([]string{"queued", "in_flight", "retrying"}, got); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}
