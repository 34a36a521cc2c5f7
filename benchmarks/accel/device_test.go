package accel_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/freshet/freshet/benchmarks/accel"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestADeviceIsGivenEveryRowOnce(t *testing.T) {
	d := accel.NewDevice(time.Millisecond, 8)
	took, err := accel.Alone(t.Context(), d, 5000, 256)
	if err != nil {
		t.Fatal(err)
	}
	if busy, rows := d.Done(); rows != 5000 || busy > took {
		t.Errorf("it computed %d rows in %v of %v", rows, busy, took)
	}
}

func TestTextsOfLikeLengthGoTogether(t *testing.T) {
	ratio, err := accel.Padding(t.Context(), 20_000)
	if err != nil || ratio > 1.10 || ratio < 1 {
		t.Errorf("a model that pads computes %.3f tokens for each, %v", ratio, err)
	}
	t.Logf("a model that pads computes %.3f tokens for each", ratio)
}

// BenchmarkDevice is how busy a device is kept that takes ten milliseconds for a batch, and what a row costs on the way.
func BenchmarkDevice(b *testing.B) {
	d := accel.NewDevice(10*time.Millisecond, 8)
	b.ReportAllocs()
	took, err := accel.Alone(b.Context(), d, b.N, 2304)
	if err != nil {
		b.Fatal(err)
	}
	busy, rows := d.Done()
	b.ReportMetric(busy.Seconds()/took.Seconds(), "busy")
	b.ReportMetric(float64(rows)/took.Seconds(), "rows/s")
}
