package main

import (
	"maps"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func TestABuildSaysWhereItComesFrom(t *testing.T) {
	fromHistory := &debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}, Settings: []debug.BuildSetting{
		{Key: "vcs.revision", Value: "0123456789abcdef0123456789abcdef01234567"}, {Key: "vcs.time", Value: "2026-10-31T23:59:58Z"},
		{Key: "vcs.modified", Value: "false"}}}
	touched := &debug.BuildInfo{Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "0123456789abcdef"}, {Key: "vcs.modified", Value: "true"}}}
	for _, c := range []struct {
		name, version string
		info          *debug.BuildInfo
		want          string
	}{
		{"from a clean checkout", "", fromHistory, "freshet v1.2.3 (commit 0123456789ab of 2026-10-31, go"},
		{"what the linker was told counts", "1.2.4", fromHistory, "freshet 1.2.4 (commit 0123456789ab of 2026-10-31, go"},
		{"from a checkout with changes", "", touched, "freshet development (commit 0123456789ab, modified, go"},
		{"from sources without a history", "", &debug.BuildInfo{Main: debug.Module{Version: "(devel)"}}, "freshet development (commit unknown, go"},
		{"from an archive whose version was told", "1.2.3", &debug.BuildInfo{}, "freshet 1.2.3 (commit unknown, go"},
	} {
		if got := buildOf(c.info, c.version).String(); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %s, want %s…", c.name, got, c.want)
		}
	}
}

func TestMetricsSayWhichProgramRuns(t *testing.T) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(build{Version: "v1.2.3", Commit: "0123456789ab", Go: "go1.26"}.metric("docs"))
	families, err := registry.Gather()
	if err != nil || len(families) != 1 {
		t.Fatalf("%d families, %v", len(families), err)
	}
	said := families[0].GetMetric()[0]
	got := make(map[string]string)
	for _, l := range said.GetLabel() {
		got[l.GetName()] = l.GetValue()
	}
	want := map[string]string{"flow": "docs", "version": "v1.2.3", "commit": "0123456789ab", "go": "go1.26"}
	if families[0].GetName() != "freshet_build_info" || said.GetGauge().GetValue() != 1 || !maps.Equal(got, want) {
		t.Errorf("%s %v %v", families[0].GetName(), got, said.GetGauge())
	}
}
