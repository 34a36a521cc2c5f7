// Package accel measures the way to a model and back without a model: a device that takes its time for a batch and
// nothing else, asked through the batcher and its governor alone.
//
//	go run ./benchmarks --only device     the same, and through the whole engine with its store
//
// Of Freshet's packages it may import accel and backpressure.
package accel
