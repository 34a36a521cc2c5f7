package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/freshet/freshet/statestore"
)

// build says which program this is.
type build struct {
	Version string `json:"version"`
	Commit  string `json:"commit"`
	Go      string `json:"go"`
	System  string `json:"system"`
	State   int    `json:"state_format"` // newest format of a state that it reads
}

func (c *console) versionVerb() *cobra.Command {
	cmd := &cobra.Command{Use: "version", Short: "Say which program this is", Args: takes()}
	cmd.RunE = c.verb(func(*cobra.Command, []string) (result, error) {
		b := thisBuild()
		return result{data: b, text: func(w io.Writer) {
			fmt.Fprintf(w, "freshet %s (%s, %s, %s, state format %d)\n", b.Version, b.Commit, b.Go, b.System, b.State)
		}}, nil
	})
	return cmd
}

// thisBuild reads what the toolchain has noted.
func thisBuild() build {
	b := build{Version: "development", Commit: "unknown", Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH, State: statestore.Format}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		b.Version = v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			b.Commit = s.Value[:12]
		}
	}
	return b
}
