package accel

import (
	"context"
	"sync"
	"time"

	"github.com/freshet/freshet/accel"
)

// Device computes one batch at a time, in the same time whatever its size, and takes no processor.
type Device struct {
	batch   time.Duration
	dims    int
	numbers []float32 // of which vectors are cut

	one  sync.Mutex
	free time.Time // when it has done all that it was given
	busy time.Duration
	rows int
}

var _ accel.Embedder = (*Device)(nil)

// NewDevice returns a device with vectors of dims numbers.
func NewDevice(batch time.Duration, dims int) *Device {
	d := &Device{batch: batch, dims: dims, numbers: make([]float32, dims+1<<12)}
	for i := range d.numbers {
		d.numbers[i] = float32(i%17) - 8
	}
	return d
}

// Identity implements [accel.Embedder].
func (d *Device) Identity() accel.Identity {
	return accel.Identity{Provider: "device", Model: "timer", Dims: d.dims}
}

// Embed implements [accel.Embedder]. The vectors are not to be written to: texts share them.
func (d *Device) Embed(_ context.Context, texts []string) (accel.Reply, error) {
	reply := accel.Reply{Vectors: make([][]float32, len(texts))}
	for i, text := range texts {
		at := (len(text)*31 + int(text[len(text)-1])*7 + int(text[0])) & (1<<12 - 1)
		reply.Vectors[i] = d.numbers[at : at+d.dims : at+d.dims]
	}
	<-time.After(d.book(len(texts)))
	return reply, nil
}

// book has the device compute a batch as soon as it has done those before, and returns when it will be done: a device
// has a clock of its own and begins the next batch, where one waits, without being told.
func (d *Device) book(rows int) time.Duration {
	d.one.Lock()
	defer d.one.Unlock()
	now := time.Now()
	if d.free.Before(now) {
		d.free = now
	}
	d.free = d.free.Add(d.batch)
	d.busy += d.batch
	d.rows += rows
	return d.free.Sub(now)
}

// Done is how long the device has computed, and how many rows.
func (d *Device) Done() (busy time.Duration, rows int) {
	d.one.Lock()
	defer d.one.Unlock()
	return d.busy, d.rows
}
