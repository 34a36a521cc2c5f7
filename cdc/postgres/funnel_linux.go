package postgres

import (
	"net"
	"syscall"
)

// wakeAt sets how many bytes have to stand in a socket before its reader is woken. It reports whether the system
// keeps to that.
func wakeAt(c net.Conn, size int) bool {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return false
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return false
	}
	var fault error
	err = raw.Control(func(fd uintptr) {
		fault = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVLOWAT, size)
	})
	return err == nil && fault == nil
}
