//go:build !cgo

package statestore

// OutsideHeap reports that block caches and memtables lie outside of Go's heap. They do where the program is built with cgo.
const OutsideHeap = false
