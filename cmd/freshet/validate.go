package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/freshet/freshet/stream"
)

// checked is what a good flow comes to.
type checked struct {
	Flow        string              `json:"flow"`
	Collections []checkedCollection `json:"collections"`
	Sinks       []string            `json:"sinks"`
	Diagnostics []struct{}          `json:"diagnostics"` // none
	// Unchecked are the sources for whose columns alone a server would have to be asked, offline: types and
	// expressions are not checked then, and no collections are told.
	Unchecked []string `json:"unchecked,omitempty"`
}

type checkedCollection struct {
	Name string `json:"name"`
	Kind string `json:"kind"` // source, or the step's operator
	Type string `json:"type"`
}

func (c *cli) validateVerb() *cobra.Command {
	var alone bool
	cmd := &cobra.Command{
		Use:   "validate FLOW",
		Short: "Check a flow file: keys, names, types, expressions",
		Long: `Validate reads a flow file, looks at its sources and checks every name, type and
expression. It writes nothing and sends nothing to a model whose dims are declared.
Faults are shown with line and column, all that can be told at once. With --offline it
looks at the file alone, at no folder and no server; where only a server knows the
columns of a source, types and expressions are left unchecked, which it says.`,
		Args: takes("flow file"),
	}
	cmd.Flags().BoolVar(&alone, "offline", false, "look at the file alone, at no folder and no server")
	cmd.RunE = c.verb(func(cmd *cobra.Command, args []string) (result, error) {
		check := c.checkReached
		if alone {
			check = c.checkOffline
		}
		found, err := check(cmd.Context(), args[0])
		if err != nil {
			return result{}, err
		}
		return result{data: found, text: func(w io.Writer) { showChecked(w, args[0], found) }}, nil
	})
	return cmd
}

// checkReached checks a flow file with the models and sources that it names.
func (c *cli) checkReached(ctx context.Context, path string) (*checked, error) {
	f, err := c.open(ctx, path)
	if err != nil {
		return nil, err
	}
	found := describePlan(f.plan)
	return &found, nil
}

func showChecked(w io.Writer, path string, found *checked) {
	if len(found.Unchecked) > 0 {
		fmt.Fprintf(w, "%s is good as far as it can be told without a server\n\n", path)
		for _, x := range found.Unchecked {
			fmt.Fprintf(w, "  unchecked: %s\n", x)
		}
		return
	}
	fmt.Fprintf(w, "%s is good\n\n", path)
	var rows [][]string
	for _, x := range found.Collections {
		rows = append(rows, []string{"  " + x.Name, x.Kind, x.Type})
	}
	table(w, rows)
	fmt.Fprintf(w, "\nsinks: %s\n", strings.Join(found.Sinks, ", "))
}

func describePlan(p *stream.Plan) checked {
	d := checked{Flow: p.Flow, Diagnostics: []struct{}{}}
	for _, x := range p.Collections {
		kind := "source"
		if x.Step >= 0 {
			if p.Steps[x.Step].Hidden {
				continue
			}
			kind = p.Steps[x.Step].Kind
		}
		d.Collections = append(d.Collections, checkedCollection{Name: x.Name, Kind: kind, Type: x.Schema.String()})
	}
	for _, s := range p.Sinks {
		d.Sinks = append(d.Sinks, s.Name)
	}
	return d
}
