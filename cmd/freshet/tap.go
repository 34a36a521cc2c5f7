package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/freshet/freshet/stream/api/console"
	"github.com/freshet/freshet/stream/engine"
)

// tapped is how a tap has ended.
type tapped struct {
	Rows int `json:"rows"`
	Lost int `json:"lost"` // rows that came faster than they could be shown
}

func (c *cli) tapVerb() *cobra.Command {
	var most int
	cmd := &cobra.Command{
		Use:   "tap FLOW STEP",
		Short: "Watch the rows of a source or step of a running flow as they are made",
		Long: `Tap shows the rows of a source or step from now on, until it is told to stop. The
flow waits for nobody: rows that come faster than they can be shown are dropped and
counted. Results that are kept apart, such as vectors, are shown as null.`,
		Example: "  freshet tap flow.yaml chunks --limit 10",
		Args:    takes("flow file", "step"),
	}
	cmd.Flags().IntVarP(&most, "limit", "n", 0, "end after so many rows; 0 goes on")
	cmd.RunE = c.verb(func(cmd *cobra.Command, args []string) (result, error) {
		if most < 0 {
			return result{}, usage("ask for one row or more, or leave the flag out to go on", "--limit is %d", most)
		}
		state, err := c.place(args[0])
		if err != nil {
			return result{}, err
		}
		p, ok := findPeer(cmd.Context(), state)
		if !ok {
			return result{}, newFault("flow_not_running", "start it: `freshet run <flow>`", "the flow is not running, so no rows are made")
		}
		end, err := c.follow(cmd.Context(), p, args[1], most)
		if err != nil {
			return result{}, err
		}
		return result{data: end, text: func(io.Writer) {
			if end.Lost > 0 {
				c.note("%s came too fast to be shown", console.Counted(int64(end.Lost), "row", "rows"))
			}
		}}, nil
	})
	return cmd
}

// follow shows the rows of a step until ctx ends, the flow stops, or there were enough.
func (c *cli) follow(ctx context.Context, p *peer, step string, most int) (tapped, error) {
	var end tapped
	err := p.follow(ctx, http.MethodGet, "/api/v1/tap?step="+url.QueryEscape(step), nil, func(reply *http.Response) error {
		if reply.StatusCode != http.StatusOK {
			return readAnswer(reply, &end)
		}
		return c.showRows(&end, reply.Body, most)
	})
	return end, stopped(ctx, err)
}

// showRows shows what comes until the flow stops, or there were enough.
func (c *cli) showRows(end *tapped, from io.Reader, most int) error {
	lines := bufio.NewReader(from)
	for {
		line, err := lines.ReadString('\n')
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil // the flow has stopped
		}
		if err != nil {
			return fmt.Errorf("read row: %w", err)
		}
		data, ok := strings.CutPrefix(strings.TrimSpace(line), "data: ")
		if !ok {
			continue
		}
		if err := c.showRow(end, data); err != nil {
			return err
		}
		if most > 0 && end.Rows >= most {
			return nil
		}
	}
}

func (c *cli) showRow(end *tapped, data string) error {
	var row struct {
		engine.TapRow
		Count int `json:"count"` // of lost rows
	}
	if err := json.Unmarshal([]byte(data), &row); err != nil {
		return fmt.Errorf("read row: %w", err)
	}
	if row.Event != "row" {
		end.Lost += row.Count
		return nil
	}
	end.Rows++
	if c.json {
		return c.line(row.TapRow)
	}
	_, err := fmt.Fprintf(c.out, "%s  %s\n", visible(row.Key), visible(string(row.Row)))
	if err != nil {
		return fmt.Errorf("write row: %w", err)
	}
	return nil
}
