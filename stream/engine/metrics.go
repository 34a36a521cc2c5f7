package engine

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are the engine's histograms; everything else is collected from its status when it is asked
// for. A nil Metrics counts nothing.
type Metrics struct {
	epochSeconds     prometheus.Histogram
	freshnessSeconds *prometheus.HistogramVec
}

// NewMetrics makes the histograms of a flow and registers them.
func NewMetrics(flow string, r prometheus.Registerer) (*Metrics, error) {
	labels := prometheus.Labels{"flow": flow}
	m := &Metrics{
		epochSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "freshet_epoch_seconds", ConstLabels: labels,
			Help: "Time from gathering an epoch to its commit.", Buckets: prometheus.ExponentialBuckets(0.0002, 2.5, 14)}),
		freshnessSeconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "freshet_freshness_seconds", ConstLabels: labels,
			Help: "Time from a source's commit to the sink's ack.", Buckets: prometheus.ExponentialBuckets(0.001, 2.5, 16)}, []string{"sink"}),
	}
	for _, c := range []prometheus.Collector{m.epochSeconds, m.freshnessSeconds} {
		if err := r.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	return m, nil
}

func (m *Metrics) epoch(seconds float64) {
	if m != nil {
		m.epochSeconds.Observe(seconds)
	}
}

func (m *Metrics) freshness(sink string) func(float64) {
	return m.freshnessSeconds.WithLabelValues(sink).Observe
}

// Collector presents the engine's status as metrics, read at every scrape.
func (e *Engine) Collector() prometheus.Collector { return &collector{engine: e} }

type collector struct{ engine *Engine }

// Describe implements prometheus.Collector; the metrics depend on the flow, so none is promised.
func (c *collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	s := c.engine.Status()
	var emit emitter = func(kind prometheus.ValueType, name, help string, value float64, pairs ...string) {
		names, values := []string{"flow"}, []string{s.Flow}
		for i := 0; i < len(pairs); i += 2 {
			names, values = append(names, pairs[i]), append(values, pairs[i+1])
		}
		out <- prometheus.MustNewConstMetric(prometheus.NewDesc(name, help, names, nil), kind, value, values...)
	}
	counter, gauge := prometheus.CounterValue, prometheus.GaugeValue
	c.engine.mu.RLock()
	t := c.engine.view.totals
	c.engine.mu.RUnlock()
	for name, src := range s.Sources {
		emit.source(name, &src, t.Sources[name])
	}
	for _, n := range c.engine.graph.calls {
		name := n.step.Name
		st := s.Steps[name]
		model := n.caller.Calls().Model.Name()
		rejected := int64(0)
		if f := t.Steps[name]; f != nil {
			rejected = f.Rejected
		}
		emit(counter, "freshet_step_calls_total", "Calls answered.", float64(st.CallsTotal), "step", name, "model", model, "outcome", "ok")
		emit(counter, "freshet_step_rejected_total", "Calls that the model refused for good.", float64(rejected), "step", name, "model", model)
		emit(counter, "freshet_step_memo_hits_total", "Calls that were not made because their answer was known.", float64(st.MemoHitsTotal), "step", name)
		emit(gauge, "freshet_step_pending", "Owners that wait for calls.", float64(st.Pending), "step", name)
	}
	for name, st := range s.Steps {
		emit(counter, "freshet_step_rows_total", "Rows that reached the step.", float64(st.Rows), "step", name, "dir", "in")
	}
	emit(gauge, "freshet_dead_letters", "Rows that cannot be processed.", float64(s.DeadLetters))
	for name, m := range s.Models {
		state := map[string]float64{"closed": 0, "half_open": 1, "open": 2}[m.Breaker]
		emit(gauge, "freshet_breaker_state", "0 closed, 1 half open, 2 open.", state, "model", name)
		emit(counter, "freshet_model_tokens_total", "Tokens that the model says it has used.", float64(m.InputTokens), "model", name, "kind", "input")
		emit(counter, "freshet_model_tokens_total", "Tokens that the model says it has used.", float64(m.OutputTokens), "model", name, "kind", "output")
		emit(counter, "freshet_model_cost_usd_total", "What they cost.", m.USDTotal, "model", name)
		buckets, requests := map[float64]uint64{}, uint64(0)
		for i, n := range m.Sizes {
			requests += uint64(n)
			buckets[float64(int(1)<<i)] = requests
		}
		out <- prometheus.MustNewConstHistogram(prometheus.NewDesc("freshet_batch_rows", "Rows in a request.", []string{"flow", "model"}, nil),
			requests, float64(m.Sent), buckets, s.Flow, name)
		emit(gauge, "freshet_model_padding_ratio", "Tokens computed for one sent.", m.Padding, "model", name)
	}
	for _, b := range c.engine.credits.Balances() {
		for state, bytes := range map[string]int64{"granted": b.Granted.Bytes, "free": b.Free.Bytes, "queued": b.Queued.Bytes,
			"in_flight": b.InFlight.Bytes, "retrying": b.Retrying.Bytes} {
			emit(gauge, "freshet_credits", "What may be under way, and where it is.", float64(bytes), "stage", b.Stage, "kind", "bytes", "state", state)
		}
	}
	for name, k := range s.Sinks {
		emit(counter, "freshet_sink_writes_total", "Effects decided.", float64(k.UpsertsTotal), "sink", name, "op", "upsert")
		emit(counter, "freshet_sink_writes_total", "Effects decided.", float64(k.DeletesTotal), "sink", name, "op", "delete")
		emit(gauge, "freshet_sink_outbox_bytes", "Effects that wait for the sink.", float64(k.OutboxBytes), "sink", name)
	}
	emit(gauge, "freshet_store_bytes", "Files of the state.", float64(s.Store.Bytes))
	emit(counter, "freshet_store_stalls_total", "Times that writes to the state had to wait.", float64(s.Store.Stalls))
}

// emitter puts one number out, under the labels that pairs name.
type emitter func(kind prometheus.ValueType, name, help string, value float64, pairs ...string)

// source puts out what is known of a source; t is nil where nothing was counted yet.
func (emit emitter) source(name string, src *SourceStatus, t *sourceTotals) {
	emit(prometheus.GaugeValue, "freshet_source_lag_seconds", "Age of the newest change that was read, while more is queued.", src.LagSeconds, "source", name)
	if kept := src.RetainedBytes; kept != nil {
		emit(prometheus.GaugeValue, "freshet_source_position_bytes", "Log that the other side keeps for this flow.", float64(*kept), "source", name)
	} else if src.LagBytes == nil { // a source without a log
		emit(prometheus.GaugeValue, "freshet_source_position_bytes", "Log that the other side keeps for this flow.", 0, "source", name)
	}
	if src.LagBytes != nil {
		emit(prometheus.GaugeValue, "freshet_source_lag_bytes", "Log that the flow has not confirmed.", float64(*src.LagBytes), "source", name)
	}
	if n := src.Notices; n != nil {
		for outcome, count := range map[string]int64{"taken": n.Taken, "repeated": n.Repeated, "unreadable": n.Unreadable, "foreign": n.Foreign, "outside": n.Outside} {
			emit(prometheus.CounterValue, "freshet_source_notices_total", "What the source was told of changes.", float64(count), "source", name, "outcome", outcome)
		}
	}
	for _, op := range []string{"insert", "update", "delete", "truncate", "reject"} {
		n := int64(0)
		if t != nil {
			n = t.ByOp[op]
		}
		emit(prometheus.CounterValue, "freshet_source_changes_total", "Changes read.", float64(n), "source", name, "op", op)
	}
}
