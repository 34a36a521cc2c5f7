package main

import (
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
}

type checkedCollection struct {
	Name string `json:"name"`
	Kind string `json:"kind"` // source, or the step's operator
	Type string `json:"type"`
}

func (c *console) validateVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "validate FLOW",
		Short: "Check a flow file: keys, names, types, expressions",
		Long: `Validate reads a flow file, looks at its sources and checks every name, type and
expression. It writes nothing and sends nothing to a model whose dims are declared.
Faults are shown with line and column, all that can be told at once.`,
		Args: takes("flow file"),
	}
	cmd.RunE = c.verb(func(cmd *cobra.Command, args []string) (result, error) {
		f, err := c.open(cmd.Context(), args[0])
		if err != nil {
			return result{}, err
		}
		found := describePlan(f.plan)
		return result{data: found, text: func(w io.Writer) {
			fmt.Fprintf(w, "%s is good\n\n", args[0])
			var rows [][]string
			for _, x := range found.Collections {
				rows = append(rows, []string{"  " + x.Name, x.Kind, x.Type})
			}
			table(w, rows)
			fmt.Fprintf(w, "\nsinks: %s\n", strings.Join(found.Sinks, ", "))
		}}, nil
	})
	return cmd
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
