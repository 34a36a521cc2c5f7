package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/freshet/freshet/internal/idle"
	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/api"
	"github.com/freshet/freshet/stream/api/console"
	"github.com/freshet/freshet/stream/engine"
)

func (c *cli) statusVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status FLOW",
		Short: "Tell how a flow does, running or stopped",
		Args:  takes("flow file"),
	}
	wait := cmd.Flags().String("wait", "", "SOURCE=POSITION: return when every sink holds what the source had committed there")
	timeout := cmd.Flags().Duration("timeout", 30*time.Second, "how long --wait waits")
	ready := cmd.Flags().Bool("ready", false, "exit 1 with the reasons of /readyz where the flow is not ready, for probes")
	cmd.RunE = c.verb(func(cmd *cobra.Command, args []string) (result, error) {
		ask := func() (standing, error) { return c.statusOf(cmd.Context(), args[0]) }
		if cmd.Flags().Changed("wait") {
			ask = func() (standing, error) { return c.statusWhen(cmd.Context(), args[0], *wait, *timeout) }
		}
		if *ready {
			if cmd.Flags().Changed("wait") {
				return result{}, usage("--wait holds for a position of a source, --ready for the flow; give one", "--wait and --ready ask two questions")
			}
			ask = func() (standing, error) { return c.statusReady(cmd.Context(), args[0]) }
		}
		s, err := ask()
		if err != nil {
			return result{}, err
		}
		return result{data: s, text: func(w io.Writer) { showStatus(w, s) }}, nil
	})
	return cmd
}

func (c *cli) statusOf(ctx context.Context, path string) (standing, error) {
	return either(ctx, c.locally(), path, func(p *peer) (standing, error) {
		return p.standing(ctx, "/api/v1/status")
	}, (*flow).standing)
}

// standing reads the status of a stopped flow.
func (f *flow) standing() (standing, error) {
	if !f.exists() {
		return standing{neverRun(f), []engine.Reason{}}, nil
	}
	s, err := reading(f, func(db *statestore.DB) (engine.Status, error) { return engine.StoppedStatus(db, f.plan) })
	if f.waits {
		s.State = "waiting"
	}
	return standing{s, append([]engine.Reason{}, f.reasons...)}, err
}

// statusWhen waits for a position, written as SOURCE=POSITION, before it asks.
func (c *cli) statusWhen(ctx context.Context, path, what string, timeout time.Duration) (standing, error) {
	var s standing
	source, position, ok := strings.Cut(what, "=")
	if !ok || source == "" || position == "" {
		return s, usage("write it as --wait docs=12", "--wait is %q, not SOURCE=POSITION", what)
	}
	return either(ctx, c, path, func(p *peer) (standing, error) {
		return p.standingWhen(ctx, source, position, timeout)
	}, func(f *flow) (standing, error) { return f.standingWhen(ctx, source, position, timeout) })
}

// standingWhen is the status of a stopped flow whose sinks hold a position. Where they do not, whoever starts the flow in time is asked.
func (f *flow) standingWhen(ctx context.Context, source, position string, timeout time.Duration) (standing, error) {
	held, err := false, error(nil)
	if f.exists() {
		held, err = reading(f, func(db *statestore.DB) (bool, error) { return engine.StoppedHolds(db, f.plan, source, position) })
	} else {
		err = engine.CheckPosition(f.plan, source, position)
	}
	if err != nil {
		return standing{}, err
	}
	if held {
		return f.standing()
	}
	for end := time.Now().Add(timeout); ; {
		if p, ok := findPeer(ctx, f.state); ok {
			return p.standingWhen(ctx, source, position, max(time.Millisecond, time.Until(end)))
		}
		if !time.Now().Before(end) {
			return standing{}, newFault("wait_timeout", "start it with `freshet run <flow>`",
				"not every sink holds %s of source %s, and nobody runs the flow %s", position, source, f.plan.Flow)
		}
		if err := idle.For(ctx, min(patienceBeat, time.Until(end))); err != nil {
			return standing{}, err
		}
	}
}

// standingWhen has a running flow wait for a position. One that waits to begin is waited for as well.
func (p *peer) standingWhen(ctx context.Context, source, position string, timeout time.Duration) (standing, error) {
	for end := time.Now().Add(timeout); ; {
		s, err := p.holds(ctx, source, position, time.Until(end))
		for begins := errors.As(err, new(*notBegun)); begins && time.Now().Before(end); {
			if err := idle.For(ctx, min(patienceBeat, time.Until(end))); err != nil {
				return s, err
			}
			if now, ok := findPeer(ctx, p.state); ok { // between waiting and running nobody answers for a moment
				p, begins = now, false
			}
		}
		if !errors.As(err, new(*notBegun)) || !time.Now().Before(end) {
			return s, err
		}
	}
}

func (p *peer) holds(ctx context.Context, source, position string, timeout time.Duration) (standing, error) {
	timeout = max(timeout, 0)
	ctx, cancel := context.WithTimeout(ctx, timeout+api.AnswerTime)
	defer cancel()
	ask := url.Values{"source": {source}, "position": {position}, "timeout": {timeout.String()}}
	return p.standing(ctx, "/api/v1/wait?"+ask.Encode())
}

// neverRun is the status of a flow that has no state yet; asking for it makes none.
func neverRun(f *flow) engine.Status {
	s := engine.Status{Flow: f.plan.Flow, State: "stopped", Sources: map[string]engine.SourceStatus{}, Steps: map[string]engine.StepStatus{},
		Models: map[string]engine.ModelStatus{}, Sinks: map[string]engine.SinkStatus{}}
	for _, n := range f.plan.Sources {
		s.Sources[n.Name] = engine.SourceStatus{State: "stopped"}
	}
	for _, n := range f.plan.Steps {
		if !n.Hidden {
			s.Steps[n.Name] = engine.StepStatus{}
		}
	}
	for _, m := range f.plan.Models() {
		s.Models[m.Name()] = engine.ModelStatus{Breaker: "closed"}
	}
	for _, n := range f.plan.Sinks {
		s.Sinks[n.Name] = engine.SinkStatus{}
	}
	return s
}

func showStatus(w io.Writer, s standing) {
	if console.NeverRan(&s.Status) {
		fmt.Fprintf(w, "%s never ran: it has no state yet\n", s.Flow)
	} else {
		fmt.Fprintf(w, "%s is %s, at epoch %s, %s of state\n", s.Flow, s.State, grouped(int64(s.Epoch)), stream.Bytes(s.Store.Bytes))
	}
	if s.Paused && s.State == "stopped" {
		fmt.Fprintln(w, "paused: its next run takes nothing in until `freshet resume`")
	}
	for _, a := range console.Advise(console.Sample{Status: s.Status, Reasons: s.Reasons}) {
		fmt.Fprintf(w, "%s: %s\n", a.Code, oneLine(a.Text))
		if a.Grave {
			fmt.Fprintf(w, "  %s\n", a.Do)
		}
	}
	rows := [][]string{{"source", "state", "rows", "changes", "position", "lag"}}
	for _, name := range slices.Sorted(maps.Keys(s.Sources)) {
		x := s.Sources[name]
		rows = append(rows, []string{name, x.State, grouped(x.Rows), grouped(x.ChangesTotal), x.Position, fmt.Sprintf("%.1f s", x.LagSeconds), told(&x)})
	}
	section(w, rows)
	rows = [][]string{{"step", "rows in", "calls", "saved", "waiting", "dead letters"}}
	for _, name := range slices.Sorted(maps.Keys(s.Steps)) {
		x := s.Steps[name]
		rows = append(rows, []string{name, grouped(x.Rows), grouped(x.CallsTotal), grouped(x.MemoHitsTotal), grouped(int64(x.Pending)), grouped(x.DLQ)})
	}
	if len(rows) > 1 {
		section(w, rows)
	}
	rows = [][]string{{"model", "answers", "in flight", "waiting", "tokens", "USD today", "USD in all"}}
	for _, name := range slices.Sorted(maps.Keys(s.Models)) {
		x := s.Models[name]
		answers := "yes"
		switch {
		case x.Reason != nil:
			answers = "no (" + *x.Reason + ")"
		case s.State != "running":
			answers = "-" // nobody asks it
		}
		rows = append(rows, []string{name, answers, grouped(int64(x.InFlight)), grouped(int64(x.Queued)), grouped(x.TokensTotal), spent(x), fmt.Sprintf("%.2f", x.USDTotal)})
	}
	if len(rows) > 1 {
		section(w, rows)
	}
	rows = [][]string{{"sink", "rows", "upserts", "deletes", "waiting", "fresh within (p50, p99)"}}
	for _, name := range slices.Sorted(maps.Keys(s.Sinks)) {
		x := s.Sinks[name]
		fresh := "-"
		if x.FreshnessMS.P99 > 0 {
			fresh = pause(x.FreshnessMS.P50) + ", " + pause(x.FreshnessMS.P99)
		}
		rows = append(rows, []string{name, grouped(x.Rows), grouped(x.UpsertsTotal), grouped(x.DeletesTotal), grouped(int64(x.Outbox)), fresh, successor(x)})
	}
	section(w, rows)
	if s.DeadLetters > 0 {
		fmt.Fprintf(w, "\n%s: `freshet dlq ls` lists them\n", console.Counted(s.DeadLetters, "dead letter", "dead letters"))
	}
}

// pause writes a time in milliseconds; one that a person feels in seconds.
func pause(ms float64) string {
	if ms < 1000 {
		return fmt.Sprintf("%.0f ms", ms)
	}
	return fmt.Sprintf("%.1f s", ms/1000)
}

// spent is what a model has cost today, and what it may.
func spent(m engine.ModelStatus) string {
	text := fmt.Sprintf("%.2f", m.USDToday)
	if m.USDPerDay != nil {
		text += fmt.Sprintf(" of %.2f", *m.USDPerDay)
	}
	return text
}

// successor says how far a sink is built that will take the place of the one that serves.
func successor(s engine.SinkStatus) string {
	if s.Successor == nil {
		return ""
	}
	return fmt.Sprintf("its successor is built: %s of about %s", console.Counted(s.Successor.Rows, "row", "rows"), grouped(s.Successor.Of))
}

// told is what a source says of itself, for people.
func told(s *engine.SourceStatus) string {
	var parts []string
	if s.Reading != nil {
		parts = append(parts, "reading "+read(s.Reading))
	}
	if s.Backfill != nil {
		parts = append(parts, through(s.Backfill))
	}
	if s.RetainedBytes != nil {
		parts = append(parts, stream.Bytes(*s.RetainedBytes).String()+" of log kept for it")
	}
	if p := s.Pushes; p != nil {
		parts = append(parts, fmt.Sprintf("%s, %s taken, %s refused, %s turned away", console.Counted(p.Requests, "push", "pushes"), console.Counted(p.Taken, "row", "rows"), grouped(p.Refused), grouped(p.TurnedAway)))
	}
	if n := s.Notices; n != nil {
		parts = append(parts, fmt.Sprintf("%s told, %s left out", console.Counted(n.Taken, "key", "keys"), grouped(n.Unreadable+n.Foreign+n.Outside)))
	}
	return strings.Join(parts, "; ")
}

// through says how far stored rows are through a flow that was changed.
func through(r *engine.Reading) string { return "stored rows through the changed flow: " + read(r) }

// read says how far rows are read, how fast and for how long still.
func read(r *engine.Reading) string {
	text := fmt.Sprintf("%s: %.0f %%, %s rows/s", r.Collection, 100*r.Done, grouped(int64(r.RowsPerSecond)))
	if r.ETASeconds > 0 {
		text += ", " + leftOver(r.ETASeconds) + " left"
	}
	return text
}

// oneLine puts the lines of a text beside each other.
func oneLine(text string) string { return strings.ReplaceAll(text, "\n", "; ") }

// section prints a table below an empty line; one that has a head alone is left out.
func section(w io.Writer, rows [][]string) {
	if len(rows) > 1 {
		fmt.Fprintln(w)
		table(w, rows)
	}
}
