//go:build !linux

package postgres

import "net"

// wakeAt reports that this system wakes a reader whenever something arrives.
func wakeAt(net.Conn, int) bool { return false }
