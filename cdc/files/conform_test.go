package files_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/cdc/cdctest"
	"github.com/freshet/freshet/cdc/files"
)

// folder is a world of files: the key is the name, the value the text.
type folder struct {
	path    string
	options files.Options
}

func (f *folder) Source() (cdctest.Source, error) {
	o := f.options
	o.Path = f.path
	return files.New(o)
}

func (f *folder) Write(key, value string) error {
	return os.WriteFile(filepath.Join(f.path, key), []byte(value), 0o644)
}

func (f *folder) Delete(key string) error { return os.Remove(filepath.Join(f.path, key)) }

func (f *folder) Read(c cdc.Change) (key, value string, err error) {
	if c.After != nil && c.After.Len() == 7 {
		value = c.After.At(2).Text()
	}
	if c.Op == cdc.Reject {
		return "", "", fmt.Errorf("%s: %s", c.Cause.Code, c.Cause.Message)
	}
	return c.Key.Text(), value, nil
}

func TestSourceConforms(t *testing.T) {
	for name, options := range map[string]files.Options{
		"with notices": {},
		"by polling":   {Poll: 20_000_000},
	} {
		t.Run(name, func(t *testing.T) {
			cdctest.TestSource(t, func(t *testing.T) cdctest.Harness {
				return &folder{path: t.TempDir(), options: options}
			})
		})
	}
}
