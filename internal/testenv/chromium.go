package testenv

import (
	"os/exec"
	"testing"
)

// Chromium is the path of a browser, for tests of pages by real clicks. It skips the test when none is installed,
// and fails it where servers are required.
func Chromium(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	missing(t, "Chromium")
	return ""
}
