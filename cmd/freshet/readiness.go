package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/freshet/freshet/stream/engine"
)

// readiness tells on /metrics what /readyz says, so that whoever is called at night is told the reason and not only
// that there is one.
type readiness struct {
	flow string
	ask  func() (bool, []engine.Reason)
}

// Describe implements prometheus.Collector; which reasons there are depends on the moment, so none is promised.
func (r readiness) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (r readiness) Collect(out chan<- prometheus.Metric) {
	ready, reasons := r.ask()
	is := 0.0
	if ready {
		is = 1
	}
	out <- prometheus.MustNewConstMetric(prometheus.NewDesc("freshet_ready", "1 when /readyz is 200.", []string{"flow"}, nil), prometheus.GaugeValue, is, r.flow)
	hindered := make(map[string]float64)
	for _, reason := range reasons {
		hindered[reason.Code]++
	}
	why := prometheus.NewDesc("freshet_unready_reasons", "Reasons of /readyz, by code; a code that does not hold is absent.", []string{"flow", "code"}, nil)
	for code, n := range hindered {
		out <- prometheus.MustNewConstMetric(why, prometheus.GaugeValue, n, r.flow, code)
	}
}
