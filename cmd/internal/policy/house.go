package policy

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// modulePath is what the import paths of our own rooms begin with.
const modulePath = "github.com/freshet/freshet"

// textBytesMax is the size up to which a file is read as text.
const textBytesMax = 4 << 20

// House is the repository as text and syntax trees. It is read once and never changed.
type House struct {
	// Folders holds every folder below the root, with slashes.
	Folders []string
	// Files holds the path of every file, pictures too.
	Files []string
	// Texts holds every text file, in order of path.
	Texts []*Text
	// Sources holds every Go file outside of testdata, in order of path.
	Sources []*Source

	fset *token.FileSet
}

// Text is one text file.
type Text struct {
	Path  string
	Lines []string
}

// Source is one Go file.
type Source struct {
	// Path and Room are relative to the root; the Room of the root package is ".".
	Path, Room string
	// Test says whether only `go test` compiles the file.
	Test bool
	// Generated files are compiled and not judged.
	Generated bool
	Lines     int
	Syntax    *ast.File
}

// ReadHouse reads the house at the root of fsys. It passes over hidden folders other than .ci, and
// over what builds leave behind.
func ReadHouse(fsys fs.FS) (*House, error) {
	h := &House{fset: token.NewFileSet()}
	err := fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			if passedOver(name) {
				return fs.SkipDir
			}
			h.Folders = append(h.Folders, name)
			return nil
		case entry.Type().IsRegular() && !leftByBuild(name):
			h.Files = append(h.Files, name)
			return h.read(fsys, name)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read house: %w", err)
	}
	return h, nil
}

func (h *House) read(fsys fs.FS, name string) error {
	content, err := fs.ReadFile(fsys, name)
	if err != nil {
		return err
	}
	if len(content) > textBytesMax || bytes.IndexByte(content, 0) >= 0 {
		return nil
	}
	lines := strings.Split(strings.TrimSuffix(string(content), "\n"), "\n")
	h.Texts = append(h.Texts, &Text{Path: name, Lines: lines})
	if path.Ext(name) != ".go" || inTestdata(name) {
		return nil
	}
	file, err := parser.ParseFile(h.fset, name, content, parser.ParseComments)
	if err != nil {
		return err
	}
	h.Sources = append(h.Sources, &Source{
		Path:      name,
		Room:      path.Dir(name),
		Test:      strings.HasSuffix(name, "_test.go"),
		Generated: ast.IsGenerated(file),
		Lines:     len(lines),
		Syntax:    file,
	})
	return nil
}

// text finds a text file by its path.
func (h *House) text(name string) (*Text, bool) {
	for _, t := range h.Texts {
		if t.Path == name {
			return t, true
		}
	}
	return nil, false
}

// written holds the sources that somebody wrote, tests included.
func (h *House) written() []*Source {
	return slices.DeleteFunc(slices.Clone(h.Sources), func(s *Source) bool { return s.Generated })
}

// product holds the sources that somebody wrote and that users compile.
func (h *House) product() []*Source {
	return slices.DeleteFunc(h.written(), func(s *Source) bool { return s.Test })
}

// rooms holds the folders that have Go files, in order.
func (h *House) rooms() []string {
	var rooms []string
	for _, s := range h.Sources {
		rooms = append(rooms, s.Room)
	}
	slices.Sort(rooms)
	return slices.Compact(rooms)
}

func (h *House) line(pos token.Pos) int { return h.fset.Position(pos).Line }

// at makes a finding for a place in a source.
func (h *House) at(s *Source, pos token.Pos, what, fix string) Finding {
	return Finding{Path: s.Path, Line: h.line(pos), What: what, Fix: fix}
}

func passedOver(folder string) bool {
	base := path.Base(folder)
	return folder != "." && (strings.HasPrefix(base, ".") && folder != ".ci" || folder == "bin")
}

func leftByBuild(name string) bool {
	return slices.Contains([]string{".test", ".prof", ".out"}, path.Ext(name))
}

func inTestdata(name string) bool {
	return slices.Contains(strings.Split(name, "/"), "testdata")
}
