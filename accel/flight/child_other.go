//go:build !linux

package flight

import "syscall"

// attributes have the child in a group of its own, to be killed with all that it has started. That this
// process has ended it sees at the end of its input.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
