package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/engine"
)

// planned is what a reset has asked of the next run.
type planned struct {
	Source        string `json:"source,omitempty"`
	Step          string `json:"step,omitempty"`
	AcceptDeletes bool   `json:"accept_deletes"`
}

func (c *cli) resetVerb() *cobra.Command {
	var r engine.Reset
	var yes bool
	cmd := &cobra.Command{
		Use:   "reset FLOW {--source NAME | --step NAME}",
		Short: "Derive something anew: after a data guard has stopped the flow, or out of doubt",
		Long: `Reset asks the next run of a stopped flow to read a source again, or to evaluate
what lies behind a step again, and to write just what differs from what the sinks
hold. Nothing is wiped, and results that are known cost no call.

Where a source's guard has held back deletes, --accept-deletes lets them through.`,
		Example: "  freshet reset flow.yaml --source docs --accept-deletes --yes",
		Args:    takes("flow file"),
	}
	f := cmd.Flags()
	f.StringVar(&r.Source, "source", "", "the source to read again")
	f.StringVar(&r.Step, "step", "", "the step behind which everything is evaluated again")
	f.BoolVar(&r.AcceptDeletes, "accept-deletes", false, "delete what the source's guard holds back")
	f.BoolVar(&yes, "yes", false, "do not ask")
	cmd.RunE = c.verb(func(cmd *cobra.Command, args []string) (result, error) {
		if (r.Source == "") == (r.Step == "") {
			return result{}, usage("name one of the two", "reset what: --source NAME, or --step NAME?")
		}
		if r.AcceptDeletes && r.Source == "" {
			return result{}, usage("name the source with --source", "--accept-deletes is about a source")
		}
		fl, err := c.openStopped(cmd.Context(), args[0], "stop it first; the next run carries the reset out")
		if err != nil {
			return result{}, err
		}
		if !fl.exists() {
			return result{}, newFault("not_found", "a flow that never ran has nothing to derive anew", "%s has no state", fl.plan.Flow)
		}
		if !yes {
			if err := c.confirm("The next run", wordsOfReset(r)); err != nil {
				return result{}, err
			}
		}
		_, err = fl.awaited(cmd.Context(), func() error { return fl.reset(r) })
		var unknown *engine.NotFoundError
		if errors.As(err, &unknown) {
			what, name, names := "sources", r.Source, sourceNames(fl.plan)
			if r.Step != "" {
				what, name, names = "steps", r.Step, stepNames(fl.plan)
			}
			return result{}, newFault("not_found", stream.DidYouMean(what, name, names), "%s", unknown.Error())
		}
		if err != nil {
			return result{}, err
		}
		return result{data: planned{r.Source, r.Step, r.AcceptDeletes}, text: func(w io.Writer) {
			fmt.Fprintf(w, "the next run %s\n", wordsOfReset(r))
		}}, nil
	})
	return cmd
}

// reset has the next run of a stopped flow derive something anew.
func (f *flow) reset(r engine.Reset) error {
	_, err := holding(f, false, func(db *statestore.DB) (struct{}, error) {
		return struct{}{}, engine.ResetStopped(db, f.plan, r)
	})
	return err
}

func sourceNames(p *stream.Plan) []string {
	var names []string
	for _, s := range p.Sources {
		names = append(names, s.Name)
	}
	return names
}

func stepNames(p *stream.Plan) []string {
	var names []string
	for _, s := range p.Steps {
		if !s.Hidden {
			names = append(names, s.Name)
		}
	}
	return names
}

// wordsOfReset say what the next run will do.
func wordsOfReset(r engine.Reset) string {
	if r.Step != "" {
		return fmt.Sprintf("evaluates everything behind the step %s again and writes what differs", r.Step)
	}
	words := fmt.Sprintf("reads every row of the source %s again and writes what differs", r.Source)
	if r.AcceptDeletes {
		words += "; rows that the source has no more are deleted, however many"
	}
	return words
}

// confirm asks a person, once it has said who does what; where nobody can be asked, --yes has to be given.
func (c *cli) confirm(who, what string) error {
	info, err := os.Stdin.Stat()
	if c.json || !c.terminal || err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return usage("answer with --yes", "%s %s: this has to be confirmed", strings.ToLower(who), what)
	}
	fmt.Fprintf(c.err, "%s %s.\nGo on? [y/N] ", who, what)
	answer, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read answer: %w", err)
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return usage("answer y to go on", "nothing was done")
}
