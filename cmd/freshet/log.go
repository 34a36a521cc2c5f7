package main

import (
	"io"
	"log/slog"
)

// logger is where the running flow reports, as --log-level and --log-format say.
func (c *cli) logger() (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.level)); err != nil {
		return nil, usage("--log-level takes debug, info, warn or error", "there is no log level %q", c.level)
	}
	return slog.New(c.logHandler(c.err, level)), nil
}

func (c *cli) logHandler(w io.Writer, level slog.Level) slog.Handler {
	o := &slog.HandlerOptions{Level: level}
	if c.form == "json" {
		return slog.NewJSONHandler(w, o)
	}
	return slog.NewTextHandler(w, o)
}
