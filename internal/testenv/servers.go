package testenv

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// RequireServers is the environment variable that makes a missing server a failure instead of a skipped test.
const RequireServers = "FRESHET_REQUIRE_SERVERS"

// foldersVariable is the environment variable that names the folder of the servers.
const foldersVariable = "FRESHET_SERVERS"

// Folder is where a program of this name is kept from one run of tests to the next, beside the servers.
func Folder(name string) string { return filepath.Join(folder(), name) }

// folder is where `.ci/servers` installs servers: FRESHET_SERVERS, or else a folder that unprivileged users can read
// when the tests run as root, or else the user's cache.
func folder() string {
	if dir := os.Getenv(foldersVariable); dir != "" {
		return dir
	}
	if os.Geteuid() == 0 {
		return "/var/cache/freshet/servers"
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	return filepath.Join(cache, "freshet", "servers")
}

// ErrMissing is in the error of a program whose server is not installed.
var ErrMissing = errors.New("run `make servers`, or name the folder that holds it in " + foldersVariable)

// absent is the error of a server that is not installed.
func absent(what string) error { return fmt.Errorf("%s is not installed: %w", what, ErrMissing) }

// missing skips a test whose server is not installed, or fails it where servers are required.
func missing(t testing.TB, what string) {
	t.Helper()
	word := absent(what).Error()
	if os.Getenv(RequireServers) == "1" {
		t.Fatalf("%s; %s=1 makes this a failure", word, RequireServers)
	}
	t.Skip(word)
}
