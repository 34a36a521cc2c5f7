package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/freshet/freshet/stream"
)

// newRoot is the whole command line: one file a verb.
func newRoot(c *cli) *cobra.Command {
	root := &cobra.Command{
		Use:   "freshet",
		Short: "Keep derived data, above all vector indexes, in step with its sources",
		Long: `Freshet keeps derived data in step with its sources. A flow file names sources,
steps and sinks; when a row changes, only what derives from that row is
computed again, and every row of a sink leads back to the row that made it.

Begin with "freshet demo": it needs nothing installed.`,
		SilenceErrors: true, SilenceUsage: true,
		Args: knownVerb,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if c.json {
				return usage("`freshet --help` lists the verbs", "name a verb")
			}
			return cmd.Help()
		},
	}
	root.SetOut(c.out)
	root.SetErr(c.err)
	root.SetFlagErrorFunc(badFlag)
	root.CompletionOptions.HiddenDefaultCmd = false
	flags := root.PersistentFlags()
	flags.Bool("json", false, "print one JSON envelope on standard output, and nothing else")
	flags.StringVar(&c.state, "state", "", "directory of the state (default .freshet/<flow> beside the flow file)")
	flags.StringVar(&c.level, "log-level", "warn", "least level that is logged to standard error: debug, info, warn or error")
	flags.StringVar(&c.form, "log-format", "text", "form of log lines: text or json")
	root.PersistentPreRunE = func(*cobra.Command, []string) error {
		if c.form != "text" && c.form != "json" {
			return usage("--log-format takes text or json", "there is no log format %q", c.form)
		}
		_, err := c.logger()
		return err
	}
	root.AddCommand(c.demoVerb(), c.initVerb(), c.validateVerb(), c.doctorVerb(), c.planVerb(), c.testVerb(), c.benchVerb(), c.runVerb(), c.statusVerb(), c.topVerb(), c.queryVerb(),
		c.lineageVerb(), c.mcpVerb(), c.tapVerb(), c.letterVerbs(), c.checkpointVerb(), c.restoreVerb(), c.backfillVerb(), c.resetVerb(), c.pauseVerb(), c.resumeVerb(), c.dropVerb(), c.versionVerb())
	return root
}

// knownVerb refuses what names no verb, with the nearest one.
func knownVerb(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	return usage(stream.DidYouMean("verbs", args[0], names), "%q is no verb of %s", args[0], cmd.CommandPath())
}

// badFlag words what is wrong with a flag.
func badFlag(cmd *cobra.Command, err error) error {
	hint := fmt.Sprintf("`%s --help` lists its flags", cmd.CommandPath())
	if _, name, ok := strings.Cut(err.Error(), "unknown flag: --"); ok {
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		cmd.InheritedFlags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		if near := stream.Nearest(name, names); near != "" {
			hint = fmt.Sprintf("did you mean --%s?", near)
		}
	}
	return usage(hint, "%s: %s", cmd.CommandPath(), err)
}

// takes says which arguments a verb has; names are for the message.
func takes(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		hint := fmt.Sprintf("write `%s`", cmd.UseLine())
		if len(args) < len(names) {
			return usage(hint, "%s: the %s is missing", cmd.CommandPath(), names[len(args)])
		}
		if len(args) > len(names) {
			return usage(hint, "%s: %q is one argument too many", cmd.CommandPath(), args[len(names)])
		}
		return nil
	}
}

// table prints columns of equal width; numbers are the caller's to align.
func table(w io.Writer, rows [][]string) {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], len([]rune(cell)))
		}
	}
	for _, row := range rows {
		var b strings.Builder
		for i, cell := range row {
			b.WriteString(visible(cell))
			if i < len(row)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-len([]rune(cell))+2))
			}
		}
		fmt.Fprintln(w, strings.TrimRight(b.String(), " "))
	}
}
