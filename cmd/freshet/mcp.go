package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/spf13/cobra"

	"github.com/freshet/freshet/stream/api"
)

func (c *cli) mcpVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "mcp FLOW",
		Short: "Give agents search, lineage and status of a flow as tools, over the Model Context Protocol",
		Long: `Mcp speaks the Model Context Protocol on standard input and output, for a client
that starts it: an editor, a desktop assistant, an agent. It has three tools, which
change nothing: search, lineage and status. Each call asks the flow where it runs,
and reads its state where it is stopped. It ends when its input does.`,
		Example: "  freshet mcp flow.yaml\n  claude mcp add handbook -- freshet mcp /srv/handbook/flow.yaml",
		Args:    takes("flow file"),
	}
	cmd.RunE = c.verb(func(cmd *cobra.Command, args []string) (result, error) {
		if c.json {
			return result{}, usage("leave --json out", "mcp speaks a protocol of its own on standard output")
		}
		t := &mcp.IOTransport{Reader: os.Stdin, Writer: unclosed{c.out}, MaxLineLength: agentLine}
		return result{}, c.serveAgents(cmd.Context(), args[0], t)
	})
	return cmd
}

// agentLine bounds one message of a client, in bytes.
const agentLine = 1 << 20

// unclosed keeps the writer that is standard output open: what comes behind a session may still be said.
type unclosed struct{ io.Writer }

func (unclosed) Close() error { return nil }

// serveAgents answers one client until it leaves, or ctx ends.
func (c *cli) serveAgents(ctx context.Context, path string, t mcp.Transport) error {
	if _, err := c.place(path); err != nil {
		return err // a flow file that is not there is told at once, not at the first call
	}
	a := &agents{cli: c, path: path, turn: make(chan struct{}, 1)}
	err := a.server().Run(ctx, t)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrClosedPipe) || errors.Is(err, mcp.ErrConnectionClosed) {
		err = nil // the client has left
	}
	if err = stopped(ctx, err); err != nil {
		return newFault("bad_value", "write one JSON-RPC message a line, as the stdio transport of the Model Context Protocol has it", "read what the client says: %v", err)
	}
	return nil
}

// agents are what the tools of one flow answer with.
type agents struct {
	cli  *cli
	path string
	turn chan struct{} // calls take turns: the state of a stopped flow is open once at a time
}

// Schemas of what the tools take. They say what a model has to know to fill them in.
const (
	searchTakes = `{"type": "object", "additionalProperties": false, "required": ["query"], "properties": {
"query": {"type": "string", "minLength": 1, "description": "What to look for, in words: a question or a description of the passage."},
"k": {"type": "integer", "minimum": 1, "maximum": 100, "default": 5, "description": "How many rows to return, the best first."},
"where": {"type": "string", "description": "A CEL condition over the columns of a row, such as row.path.startsWith(\"guide/\"). Rows that do not fit are left out."},
"sink": {"type": "string", "description": "The sink to search, where the flow has several. The tool status names them."}}}`
	lineageTakes = `{"type": "object", "additionalProperties": false, "required": ["subject"], "properties": {
"subject": {"type": "string", "minLength": 3, "description": "<source>/<key> for what was made of a source row, or <sink>/<_key> for what a row of a sink was made of; _key is that of a search."}}}`
	statusTakes = `{"type": "object", "additionalProperties": false, "properties": {}}`
)

// asked are the arguments of the tool search.
type asked struct {
	Query string `json:"query"`
	K     int    `json:"k"`
	Where string `json:"where"`
	Sink  string `json:"sink"`
}

// traced are the arguments of the tool lineage.
type traced struct {
	Subject string `json:"subject"`
}

// agentWords tell a model what the tools are for.
const agentWords = `Search finds rows of an index that is kept in step with its sources. Every row found leads back to the source row it was made of:
give <sink>/<_key> to lineage. Status names the sources and sinks, and tells how fresh they are.`

func (a *agents) server() *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "freshet", Title: "Freshet", Version: thisBuild().Version},
		&mcp.ServerOptions{Instructions: agentWords, Capabilities: &mcp.ServerCapabilities{Tools: &mcp.ToolCapabilities{}}})
	mcp.AddTool(s, tool("search", "Search", "Search the flow's index by meaning and return the nearest rows with their score, key and columns.", searchTakes),
		answered(a, func(ctx context.Context, in asked) (*api.Answer, error) {
			return a.cli.find(ctx, a.path, api.Question{Text: in.Query, K: in.K, Where: in.Where, Sink: in.Sink})
		}))
	mcp.AddTool(s, tool("lineage", "Lineage", "Show what was made of a source row, or what a sink's row was made of, with when, by which logic and why.", lineageTakes),
		answered(a, func(ctx context.Context, in traced) (any, error) { return a.cli.trace(ctx, a.path, in.Subject) }))
	mcp.AddTool(s, tool("status", "Status", "Tell how the flow does, running or stopped: its sources, steps, models and sinks, their positions and freshness, and what hinders it.", statusTakes),
		answered(a, func(ctx context.Context, _ struct{}) (any, error) { return a.cli.statusOf(ctx, a.path) }))
	return s
}

// tool describes one that reads this flow and nothing else.
func tool(name, title, does, takes string) *mcp.Tool {
	closed := false
	return &mcp.Tool{Name: name, Title: title, Description: does, InputSchema: json.RawMessage(takes),
		Annotations: &mcp.ToolAnnotations{ReadOnlyHint: true, IdempotentHint: true, DestructiveHint: &closed, OpenWorldHint: &closed}}
}

// answered makes a tool of a question: its answer is the structured content, and the same as text. What goes wrong is told to
// the model, with what it can do, since a protocol error is one that it never sees.
func answered[In, Out any](a *agents, ask func(context.Context, In) (Out, error)) mcp.ToolHandlerFor[In, any] {
	return func(ctx context.Context, _ *mcp.CallToolRequest, in In) (*mcp.CallToolResult, any, error) {
		select {
		case a.turn <- struct{}{}:
			defer func() { <-a.turn }()
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
		out, err := ask(ctx, in)
		if err != nil {
			return a.refused(err), nil, nil
		}
		var text strings.Builder
		e := json.NewEncoder(&text)
		e.SetEscapeHTML(false) // a model reads it
		if err := e.Encode(out); err != nil {
			return nil, nil, fmt.Errorf("write answer: %w", err)
		}
		return spoken(strings.TrimSuffix(text.String(), "\n")), out, nil
	}
}

// refused is the answer to a call that cannot be answered.
func (a *agents) refused(err error) *mcp.CallToolResult {
	f := faultOf(err).Fault
	f.Hint = strings.ReplaceAll(f.Hint, "<flow>", quoted(a.path))
	text := f.Message
	if f.Hint != "" {
		text += "\nhint: " + f.Hint
	}
	r := spoken(text)
	r.IsError, r.StructuredContent = true, f
	return r
}

func spoken(text string) *mcp.CallToolResult {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}
}
