package engine_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/backpressure"
	"github.com/freshet/freshet/operators"
	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/engine"
)

// lengths answers each text with its length, for one token; the text "bad" is rejected.
type lengths struct{}

func (lengths) Identity() accel.Identity {
	return accel.Identity{Provider: "test", Model: "l", Dims: 1}
}

func (lengths) Embed(_ context.Context, texts []string) (accel.Reply, error) {
	var reply accel.Reply
	for _, text := range texts {
		if text == "bad" {
			return accel.Reply{}, &accel.Error{Kind: accel.Rejected, Status: 400, Message: "no", Reply: "the model's words"}
		}
		reply.Vectors = append(reply.Vectors, []float32{float32(len(text))})
	}
	reply.Usage.InputTokens = int64(len(texts))
	return reply, nil
}

// paid is the world's rows, embedded by a model that costs a dollar a token.
func (w *world) paid(daily float64) *stream.Plan {
	w.t.Helper()
	budget := backpressure.MoneyOf(daily)
	model := operators.NewRemote("m", lengths{}, operators.ModelOptions{BatcherOptions: accel.BatcherOptions{Rows: 1,
		Governor: backpressure.New(backpressure.Options{Price: backpressure.PriceOf(1e6, 0), Daily: &budget})}})
	embed, err := operators.NewEmbed(operators.EmbedConfig{Text: "row.body"}, model)
	if err != nil {
		w.t.Fatal(err)
	}
	f := stream.New("world")
	f.AddSource("rows", w.source)
	f.AddStep("vectors", "rows", embed, stream.StepOptions{})
	f.AddSink("pieces", []string{"vectors"}, w.pieces.Sink(), stream.SinkOptions{})
	plan, err := f.Plan(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return plan
}

// session runs a plan once over the world's disk and tells how it stands, while it is open and afterwards.
func (w *world) session(plan *stream.Plan) (open, stopped engine.Status, err error) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	db, fault := statestore.Open("state", statestore.DBOptions{FS: w.fs, MemoryBytes: 8 << 20, DiskFreeBytes: 1})
	if fault != nil {
		w.t.Fatal(fault)
	}
	e, fault := engine.Open(ctx, plan, db, engine.Options{Once: true, DrainTimeout: time.Second})
	if fault != nil {
		w.t.Fatal(fault)
	}
	err = e.Run(ctx)
	open = e.Status()
	registry := prometheus.NewRegistry()
	if fault := registry.Register(e.Collector()); fault != nil {
		w.t.Fatal(fault)
	}
	w.balanced(registry)
	if fault := e.Close(); fault != nil {
		w.t.Fatal(fault)
	}
	stopped, fault = engine.StoppedStatus(db, plan)
	if fault := errors.Join(fault, db.Close()); fault != nil {
		w.t.Fatal(fault)
	}
	return open, stopped, err
}

// balanced checks that the credits of a scrape are where they can be (I9).
func (w *world) balanced(registry *prometheus.Registry) {
	w.t.Helper()
	families, err := registry.Gather()
	if err != nil {
		w.t.Fatal(err)
	}
	sum := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			if f.GetName() == "freshet_credits" && labels["state"] == "granted" {
				sum[labels["stage"]] -= m.GetGauge().GetValue()
			} else if f.GetName() == "freshet_credits" {
				sum[labels["stage"]] += m.GetGauge().GetValue()
			}
		}
	}
	if off, ok := sum["vectors"]; !ok || off != 0 {
		w.t.Errorf("granted credits are off by %v bytes", sum)
	}
}

func TestWhatAModelSpendsOutlivesItsProcess(t *testing.T) {
	w := newWorld(t, 1)
	for i := range 5 {
		w.put(fmt.Sprint("k", i), fmt.Sprintf("t%d", i), 0) // one token by any count
	}
	open, stopped, err := w.session(w.paid(3))
	var refusing *engine.ModelError
	if !errors.As(err, &refusing) || refusing.Health.Reason != "budget" || refusing.Step != "vectors" {
		t.Fatalf("with money for three rows of five the run ends with %v", err)
	}
	for _, s := range []engine.Status{open, stopped} {
		if m := s.Models["m"]; m.TokensTotal != 3 || m.USDTotal != 3 || m.Breaker != "closed" {
			t.Errorf("%s: %+v, want three tokens for three dollars", s.State, m)
		}
	}
	if _, stopped, err := w.session(w.paid(3)); err == nil || stopped.Models["m"].TokensTotal != 3 {
		t.Errorf("another process spends the day's money again: %+v, %v", stopped.Models["m"], err)
	}
	if _, stopped, err := w.session(w.paid(9)); err != nil || stopped.Models["m"].USDTotal != 5 {
		t.Errorf("with more money: %+v, %v", stopped.Models["m"], err)
	}
}

func TestARejectionKeepsWhatTheModelSaid(t *testing.T) {
	w := newWorld(t, 1)
	w.put("k", "bad", 0)
	if _, _, err := w.session(w.paid(9)); err != nil {
		t.Fatal(err)
	}
	db, err := statestore.Open("state", statestore.DBOptions{FS: w.fs, MemoryBytes: 8 << 20, DiskFreeBytes: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	all, err := engine.DeadLetters(db)
	if err != nil || len(all) != 1 || all[0].Code != "rejected" || all[0].Reply != "" {
		t.Fatalf("dead letters %+v, %v", all, err)
	}
	if l, ok, err := engine.FindDeadLetter(db, all[0].ID); !ok || err != nil || l.Reply != "the model's words" {
		t.Errorf("the dead letter is %+v, %v", l, err)
	}
}
