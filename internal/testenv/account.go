package testenv

import (
	"errors"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// account is the user that servers run as. PostgreSQL refuses root, and no server needs it.
type account struct {
	uid, gid uint32
	// change says that it is another user than the one that runs the tests.
	change bool
}

// unprivileged finds the user for servers: whoever runs the tests, or when that is root the first of the well-known
// users without rights.
func unprivileged() (account, error) {
	if os.Geteuid() != 0 {
		return account{}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		found, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(found.Uid, 10, 32)
		if err != nil {
			return account{}, err
		}
		gid, err := strconv.ParseUint(found.Gid, 10, 32)
		if err != nil {
			return account{}, err
		}
		return account{uid: uint32(uid), gid: uint32(gid), change: true}, nil
	}
	return account{}, errors.New("find a user without rights to run servers as: neither postgres nor nobody exists")
}

// folder makes an empty temporary folder that belongs to the account.
func (a account) folder(pattern string) (string, error) {
	dir, err := os.MkdirTemp("", pattern)
	if err != nil {
		return "", err
	}
	if a.change {
		if err := os.Chown(dir, int(a.uid), int(a.gid)); err != nil {
			return "", errors.Join(err, os.RemoveAll(dir))
		}
	}
	return dir, nil
}

// attributes run a process as the account, in a session of its own: an interrupt of the terminal must not reach a
// server before the tests that use it have ended.
func (a account) attributes() *syscall.SysProcAttr {
	attributes := &syscall.SysProcAttr{Setsid: true}
	if a.change {
		attributes.Credential = &syscall.Credential{Uid: a.uid, Gid: a.gid}
	}
	return attributes
}
