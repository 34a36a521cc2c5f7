package testenv

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// RequireServers is the environment variable that makes a missing server a failure instead of a skipped test.
const RequireServers = "FRESHET_REQUIRE_SERVERS"

// Folder is where `.ci/servers` installs servers: FRESHET_SERVERS, or else a folder that unprivileged users can read
// when the tests run as root, or else the user's cache.
func Folder() string {
	if dir := os.Getenv("FRESHET_SERVERS"); dir != "" {
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

// missing skips a test whose server is not installed, or fails it where servers are required.
func missing(t testing.TB, what string) {
	t.Helper()
	word := fmt.Sprintf("%s is not installed: run `make servers`, or name the folder that holds it in FRESHET_SERVERS", what)
	if os.Getenv(RequireServers) == "1" {
		t.Fatalf("%s; %s=1 makes this a failure", word, RequireServers)
	}
	t.Skip(word)
}
