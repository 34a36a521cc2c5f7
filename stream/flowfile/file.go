package flowfile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/freshet/freshet/stream"
)

// LoadOptions are what a flow file is read with.
type LoadOptions struct {
	Registry Registry
	// LookupEnv finds the value of a ${NAME}; nil: os.LookupEnv. A value that is empty counts as missing.
	LookupEnv func(name string) (string, bool)
	// Logger is handed to what is built; nil: nothing is logged.
	Logger *slog.Logger
	// Dir is the folder at which relative paths of the file start; empty: the folder of the file.
	Dir string
}

// File is a flow file that was read without fault.
type File struct {
	Path   string // as it was named to Load
	Dir    string // where relative paths start
	Name   string // of the flow
	Text   []byte // as it was read; a ${NAME} stands in it as such
	Flow   *stream.Flow
	Tests  []Test
	Models map[string]stream.Model // those that are declared, those that steps name by their kind, and those that steps have for themselves

	document *document
	nodes    []*node
}

// Load reads a flow file and builds its flow, without touching the network. A faulty file is a
// Diagnostics error.
func Load(path string, o LoadOptions) (*File, error) {
	text, fault := readFile(path)
	if fault != nil {
		fault.File, fault.Code, fault.Exit = path, "flow_unreadable", exitBadFlow
		return nil, Diagnostics{*fault}
	}
	if o.Dir == "" {
		o.Dir = filepath.Dir(path)
	}
	return Parse(path, text, o)
}

// Parse is Load for a text that is at hand; name is how diagnostics call it.
func Parse(name string, text []byte, o LoadOptions) (*File, error) {
	if o.LookupEnv == nil {
		o.LookupEnv = os.LookupEnv
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	d := newDocument(name, o.LookupEnv)
	d.read(text)
	f := &File{Path: name, Dir: cmp.Or(o.Dir, "."), Text: text, Models: map[string]stream.Model{}, document: d}
	if d.root != nil {
		b := builder{document: d, file: f, registry: o.Registry, logger: o.Logger, models: map[string]*declaredModel{}}
		b.build()
	}
	if faults := d.take(); len(faults) > 0 {
		return nil, faults
	}
	return f, nil
}

// Plan introspects the sources and checks the flow. Faults are a Diagnostics error that points into
// the file.
func (f *File) Plan(ctx context.Context) (*stream.Plan, error) {
	plan, err := f.Flow.Plan(ctx)
	if err == nil {
		return plan, nil
	}
	for _, fault := range stream.Problems(err) {
		f.place(fault)
	}
	faults := f.document.take()
	if len(faults) == 0 {
		return nil, err
	}
	return nil, faults
}

// Diagnose maps a fault of the flow, such as one of a test or of a server, to its place in the file.
func (f *File) Diagnose(err error) Diagnostics {
	for _, fault := range stream.Problems(err) {
		f.place(fault)
	}
	return f.document.take()
}

// DiagnoseRow is Diagnose for a fault of a row of a test, whose Field is a column of it.
func (f *File) DiagnoseRow(row TestRow, fault *stream.Problem) Diagnostics {
	f.document.problem(place{value: row.node, label: "the row"}, fault)
	return f.document.take()
}

// Redact replaces the value of every ${NAME} and of every secret key in a text, such as a line of a log.
// It may be called concurrently with everything else.
func (f *File) Redact(text string) string { return f.document.secrets.redact(text) }

// place adds a fault to the document, at the node that it names.
func (f *File) place(fault *stream.Problem) {
	name, collection, projected := strings.Cut(fault.Node, "/")
	i := slices.IndexFunc(f.nodes, func(n *node) bool { return n.name == name })
	if i < 0 {
		f.document.problem(place{value: f.document.root}, fault)
		return
	}
	if projected {
		// The columns of a sink are a step of their own, named <sink>/<collection>.
		q := *fault
		q.Field = strings.TrimSuffix("columns."+fault.Field, ".")
		if fault.Field == "from" {
			q.Field = "from." + collection
		}
		fault = &q
	}
	at, fault := f.nodes[i].aim(fault)
	f.document.problem(at, fault)
}

// readFile reads a regular file of bounded size. A pipe is never opened: it could block for ever.
func readFile(path string) ([]byte, *Diagnostic) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &Diagnostic{Message: "the flow file does not exist", Hint: nearbyFlows(path)}
	case err != nil:
		return nil, &Diagnostic{Message: "read the flow file: " + cause(err), Hint: "check its path and rights"}
	case info.IsDir():
		return nil, &Diagnostic{Message: "is a folder, not a flow file", Hint: nearbyFlows(filepath.Join(path, "flow.yaml"))}
	case !info.Mode().IsRegular():
		return nil, &Diagnostic{Message: "is not a regular file", Hint: "name a flow file"}
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, &Diagnostic{Message: "read the flow file: " + cause(err), Hint: "check its rights: it must be readable"}
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxFileBytes+1))
	if err != nil {
		return nil, &Diagnostic{Message: "read the flow file: " + cause(err), Hint: "check the disk that it lies on"}
	}
	return text, nil
}

func cause(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}

// nearbyFlows is a hint that names the YAML files beside a path.
func nearbyFlows(path string) string {
	const begin = "`freshet init` writes a flow file"
	dir := filepath.Dir(path)
	var names []string
	for _, pattern := range []string{"*.yaml", "*.yml"} {
		found, _ := filepath.Glob(filepath.Join(dir, pattern))
		for _, f := range found {
			names = append(names, filepath.Base(f))
		}
	}
	if len(names) == 0 {
		return begin
	}
	if len(names) > filesMost && stream.Nearest(filepath.Base(path), names) == "" {
		return fmt.Sprintf("%d YAML files are there, none with a name like that one", len(names))
	}
	return stream.DidYouMean("YAML files there", filepath.Base(path), names)
}

// filesMost is how many files a hint names.
const filesMost = 8

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// headFields are the keys that every entry of a section may have.
func headFields(s *section) []field { return fieldsOf(reflect.TypeOf(s.head)) }
