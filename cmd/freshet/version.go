package main

import (
	"cmp"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"github.com/freshet/freshet/statestore"
)

// version is set by the linker (-X main.version=1.2.3) where the sources that are built have no history; it counts
// before what the toolchain has noted.
var version string

// build says which program this is.
type build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit"`
	Date     string `json:"date"`     // of the commit, RFC 3339 in UTC; empty where it is not known
	Modified bool   `json:"modified"` // files differed from those of the commit
	Go       string `json:"go"`
	System   string `json:"system"`
	State    int    `json:"state_format"` // newest format of a state that it reads
}

func (c *cli) versionVerb() *cobra.Command {
	cmd := &cobra.Command{Use: "version", Short: "Say which program this is", Args: takes()}
	cmd.RunE = c.verb(func(*cobra.Command, []string) (result, error) {
		b := thisBuild()
		return result{data: b, text: func(w io.Writer) { fmt.Fprintln(w, b) }}, nil
	})
	return cmd
}

// String is what the verb prints.
func (b build) String() string {
	commit := "commit " + b.Commit
	if day, _, ok := strings.Cut(b.Date, "T"); ok {
		commit += " of " + day
	}
	if b.Modified {
		commit += ", modified"
	}
	return fmt.Sprintf("freshet %s (%s, %s, %s, state format %d)", b.Version, commit, b.Go, b.System, b.State)
}

// thisBuild reads what the toolchain has noted.
func thisBuild() build {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	return buildOf(info, version)
}

// buildOf is the build of what the toolchain has noted and the linker was told.
func buildOf(info *debug.BuildInfo, version string) build {
	noted := info.Main.Version
	if noted == "(devel)" {
		noted = ""
	}
	b := build{Version: cmp.Or(version, noted, "development"), Commit: "unknown", Go: runtime.Version(),
		System: runtime.GOOS + "/" + runtime.GOARCH, State: statestore.Format}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value[:min(len(s.Value), 12)]
		case "vcs.time":
			b.Date = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

// metric tells on /metrics which program runs the flow.
func (b build) metric(flow string) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "freshet_build_info", Help: "Which program this is; always 1.",
		ConstLabels: prometheus.Labels{"flow": flow, "version": b.Version, "commit": b.Commit, "go": b.Go}}, func() float64 { return 1 })
}
