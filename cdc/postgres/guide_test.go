package postgres_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// scriptOfTheGuide is the first SQL of docs/postgres.md: the role with the least rights.
func scriptOfTheGuide(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "postgres.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(page), "```sql\n")
	script, _, closed := strings.Cut(rest, "```")
	if !ok || !closed {
		t.Fatal("docs/postgres.md has no SQL")
	}
	return script
}
