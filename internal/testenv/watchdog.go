package testenv

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// watchdog ends a server and removes its folder when this process is gone, whatever ended it: the kernel closes
// the pipe. It reads a line for every start of the server (its process id) and every end (a dash).
type watchdog struct {
	pipe *os.File
}

// watching runs as the user of the tests, so that it may end the server and remove what the server made. The server
// gets SIGQUIT, PostgreSQL's immediate stop, and what is left after 5 seconds gets SIGKILL.
const watching = `
pid=-
while read -r word; do pid=$word; done
if [ "$pid" != - ]; then
	kill -QUIT "$pid" 2>/dev/null
	for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25; do
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.2
	done
	kill -KILL "$pid" 2>/dev/null
fi
rm -rf "$0"
`

// watch starts the watchdog of a folder. It has no input or output but the pipe, so that nobody waits for it.
func watch(dir string) (*watchdog, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	command := exec.Command("/bin/sh", "-c", watching, dir)
	command.Dir = "/"
	command.Stdin = read
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = command.Start()
	read.Close()
	if err != nil {
		write.Close()
		return nil, fmt.Errorf("start the watchdog of %s: %w", dir, err)
	}
	return &watchdog{pipe: write}, nil
}

// started tells the process id of the server.
func (w *watchdog) started(pid int) error {
	_, err := fmt.Fprintln(w.pipe, pid)
	return err
}

// ended tells that the server has ended and its process id is free.
func (w *watchdog) ended() error {
	_, err := fmt.Fprintln(w.pipe, "-")
	return err
}

// release lets the watchdog do its work now.
func (w *watchdog) release() error { return w.pipe.Close() }
