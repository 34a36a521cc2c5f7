package flight

import "syscall"

// attributes have the child in a group of its own, to be killed with all that it has started, and have the
// kernel kill it when this process ends, however it ends. The kernel looks at the thread that started it; Go
// keeps its threads, but for those that a goroutine locks and leaves.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
