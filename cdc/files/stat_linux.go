package files

import (
	"os"
	"syscall"
)

// openFlags keep an open from following a link at the end of the path and from waiting for the other
// end of a FIFO that took a file's place.
const openFlags = syscall.O_NOFOLLOW | syscall.O_NONBLOCK

// identity is the time of the last change of the inode, in nanoseconds, and its number.
func identity(info os.FileInfo) (ctime int64, inode uint64) {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return s.Ctim.Nano(), s.Ino
	}
	return 0, 0
}
