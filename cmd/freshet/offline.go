package main

import (
	"context"
	"errors"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/internal/blob"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/flowfile"
)

// unreachedCode marks the fault of a source whose columns nobody but its server knows.
const unreachedCode = "unreached"

// unreached is a source that is not reached: it knows its columns where the flow file or its kind tells them.
type unreached struct {
	stream.Source
	blobs bool // its rows are those of every file source, whatever its folder holds
}

// Collections implements stream.Source without a look at a folder or a server: to whoever would ask one, the
// context is over.
func (s unreached) Collections(ctx context.Context) ([]cdc.Collection, error) {
	if s.blobs {
		return []cdc.Collection{{Schema: blob.Schema()}}, nil
	}
	over, cancel := context.WithCancel(ctx)
	cancel()
	collections, err := s.Source.Collections(over)
	if err != nil && errors.Is(err, context.Canceled) {
		return nil, &stream.Problem{Code: unreachedCode, Message: "its columns are asked of its server", Hint: "validate without --offline"}
	}
	return collections, err
}

// offline is a registry whose sources are declared and never reached.
func offline(r flowfile.Registry) flowfile.Registry {
	sources := make(map[string]flowfile.SourceKind, len(r.Sources))
	for name, kind := range r.Sources {
		build := kind.Build
		kind.Build = func(config any, env *flowfile.Env) (stream.Source, error) {
			s, err := build(config, env)
			if err != nil {
				return nil, err
			}
			return unreached{Source: s, blobs: name == "files"}, nil
		}
		sources[name] = kind
	}
	r.Sources = sources
	return r
}

// checkOffline checks a flow file by itself: keys, names, values, and types and expressions unless the columns of
// a source are known to its server alone, which is left unchecked. Neither a server nor a folder is looked at.
func (c *cli) checkOffline(ctx context.Context, path string) (*checked, error) {
	log, err := c.logger()
	if err != nil {
		return nil, err
	}
	file, err := flowfile.Load(path, flowfile.LoadOptions{Registry: offline(registry()), Logger: log})
	if err != nil {
		return nil, err
	}
	plan, err := file.Plan(ctx)
	if err == nil {
		if err := ownFiles(file, plan); err != nil {
			return nil, err
		}
		found := describePlan(plan)
		return &found, nil
	}
	var faults flowfile.Diagnostics
	if !errors.As(err, &faults) {
		return nil, err
	}
	var left flowfile.Diagnostics
	found := &checked{Flow: file.Name, Collections: []checkedCollection{}, Sinks: []string{}, Diagnostics: []struct{}{}}
	for _, d := range faults {
		if d.Code == unreachedCode {
			found.Unchecked = append(found.Unchecked, d.Error())
		} else {
			left = append(left, d)
		}
	}
	if len(left) > 0 {
		return nil, left
	}
	return found, nil
}
