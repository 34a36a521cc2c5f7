//go:build cgo

package statestore

// OutsideHeap reports that block caches and memtables lie outside of Go's heap, where its collector does not see them: Pebble
// takes their memory from C where it can. A program that is built without cgo has them in the heap.
const OutsideHeap = true
