// Package kserve asks servers that speak KServe v2 over gRPC, such as Triton and OpenVINO Model Server, for
// vectors: a tensor of texts goes there, a tensor of numbers comes back, both as raw contents.
//
// A [Client] is a model behind such a server; it satisfies [accel.Embedder].
//
// Of Freshet's packages it may import accel and accel/rpc.
//
// # Invariants
//
//   - A reply is taken whole or not at all: one finite vector of the model's dimension for each text.
//   - The name that a reply gives is the model's with its version: another version is another model.
//
// # Concurrency
//
// A Client is safe for concurrent use. gRPC keeps its connection, until Close.
package kserve

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/accel/rpc"
)

// Options say which model of which server is asked.
type Options struct {
	Address string // grpc://host:port, grpc+tls://host:port or unix:/path
	TLS     *tls.Config
	Model   string
	Version string // empty: the one that the server prefers
	// Input and Output name the tensors; empty: the only ones of texts and of numbers that the model has.
	Input, Output string
	Dims          int // length of the vectors; 0 where it is not known
	Timeout       time.Duration
}

// Client asks one model.
type Client struct {
	options Options
	address rpc.Address

	mu        sync.Mutex
	conn      *grpc.ClientConn // nil: not dialled
	input     tensor           // as the server describes it; without a name until it has been asked
	output    string
	dims      int
	described bool
}

var _ accel.Embedder = (*Client)(nil)

// New returns a client. It reaches nothing yet.
func New(o Options) (*Client, error) {
	a, err := rpc.ParseAddress(o.Address)
	if err != nil {
		return nil, err
	}
	if o.Model == "" {
		return nil, errors.New("make client: the model has no name")
	}
	if o.Timeout <= 0 {
		o.Timeout = 30 * time.Second
	}
	return &Client{options: o, address: a, dims: o.Dims}, nil
}

// Identity names the model; where the server is is no part of it, nor is a version that the server prefers: its
// replies name it.
func (c *Client) Identity() accel.Identity {
	c.mu.Lock()
	defer c.mu.Unlock()
	return accel.Identity{Provider: "kserve", Model: c.options.Model, Revision: c.options.Version, Dims: c.dims}
}

// Learn finds out how long the vectors are, where Options do not say it, and leaves no connection open.
func (c *Client) Learn(ctx context.Context) error {
	err := c.learn(ctx)
	return errors.Join(err, c.Close())
}

func (c *Client) learn(ctx context.Context) error {
	if _, _, err := c.tensors(ctx); err != nil {
		return err
	}
	if c.Identity().Dims > 0 {
		return nil
	}
	reply, err := c.Embed(ctx, []string{"freshet"})
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dims = len(reply.Vectors[0])
	return nil
}

// raw lets gRPC carry messages that are written here.
type raw struct{}

func (raw) Name() string { return "proto" }

func (raw) Marshal(v any) ([]byte, error) {
	b, ok := v.(*[]byte)
	if !ok {
		return nil, fmt.Errorf("marshal %T: it is no message", v)
	}
	return *b, nil
}

func (raw) Unmarshal(data []byte, v any) error {
	b, ok := v.(*[]byte)
	if !ok {
		return fmt.Errorf("unmarshal %T: it is no message", v)
	}
	*b = append([]byte(nil), data...) // gRPC takes the memory back
	return nil
}

// invoke is one exchange with the server.
func (c *Client) invoke(ctx context.Context, method string, message []byte) ([]byte, error) {
	conn, err := c.dial()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	var reply []byte
	if err := conn.Invoke(ctx, "/inference.GRPCInferenceService/"+method, &message, &reply, grpc.ForceCodec(raw{})); err != nil {
		return nil, rpc.Fault(fmt.Sprintf("model %s at %s", c.options.Model, c.address.Text), err)
	}
	return reply, nil
}

func (c *Client) dial() (*grpc.ClientConn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil {
		return c.conn, nil
	}
	conn, err := grpc.NewClient(c.address.Target, c.address.Dialing(c.options.TLS)...)
	if err != nil {
		return nil, &accel.Error{Kind: accel.Unavailable, Message: "reach " + c.address.Text, Err: err}
	}
	c.conn = conn
	return conn, nil
}

// Close ends the connection. A question afterwards opens it anew.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn == nil {
		return nil
	}
	err := c.conn.Close()
	c.conn = nil
	return err
}

// Embed asks for the vectors of the texts; see [accel.Embedder]. The server does not say what a text cost it.
func (c *Client) Embed(ctx context.Context, texts []string) (accel.Reply, error) {
	input, output, err := c.tensors(ctx)
	if err != nil {
		return accel.Reply{}, err
	}
	data, err := c.invoke(ctx, "ModelInfer", c.question(input, output, texts))
	if err != nil {
		return accel.Reply{}, err
	}
	r, err := parseInference(data)
	if err != nil {
		return accel.Reply{}, malformed(err)
	}
	reply := accel.Reply{Model: r.model}
	if r.version != "" {
		reply.Model += "/" + r.version
	}
	if reply.Vectors, err = r.vectors(output, len(texts)); err != nil {
		return accel.Reply{}, malformed(err)
	}
	if err := accel.CheckVectors(reply.Vectors, len(texts), c.Identity().Dims); err != nil {
		return accel.Reply{}, err
	}
	return reply, nil
}

func malformed(err error) error { return &accel.Error{Kind: accel.Malformed, Message: err.Error()} }

// question writes a request: each text with its length before it.
func (c *Client) question(input tensor, output string, texts []string) []byte {
	input.shape = append([]int64{int64(len(texts))}, make([]int64, max(0, len(input.shape)-1))...)
	size := 0
	for i := range input.shape[1:] {
		input.shape[1+i] = 1
	}
	for _, text := range texts {
		size += 4 + len(text)
	}
	contents := make([]byte, 0, size)
	for _, text := range texts {
		contents = append(binary.LittleEndian.AppendUint32(contents, uint32(len(text))), text...)
	}
	b := appendText(make([]byte, 0, size+256), 1, c.options.Model)
	b = appendText(b, 2, c.options.Version)
	b = appendBytes(b, 5, input.append(nil))
	b = appendBytes(b, 6, tensor{name: output}.append(nil))
	return appendBytes(b, 7, contents)
}

// tensors are those that the model takes and gives, as the server describes them.
func (c *Client) tensors(ctx context.Context) (input tensor, output string, err error) {
	c.mu.Lock()
	input, output, described := c.input, c.output, c.described
	c.mu.Unlock()
	if described {
		return input, output, nil
	}
	data, err := c.invoke(ctx, "ModelMetadata", appendText(appendText(nil, 1, c.options.Model), 2, c.options.Version))
	if err != nil {
		return input, "", err
	}
	m, err := parseMetadata(data)
	if err != nil {
		return input, "", malformed(err)
	}
	if input, err = only(m.inputs, c.options.Input, "input of texts", "BYTES"); err != nil {
		return input, "", err
	}
	out, err := only(m.outputs, c.options.Output, "output of numbers", "FP32", "FP16")
	if err != nil {
		return input, "", err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.input, c.output, c.described = input, out.name, true
	if n := len(out.shape); c.dims == 0 && n == 2 && out.shape[1] > 0 {
		c.dims = int(out.shape[1])
	}
	return input, out.name, nil
}

// only finds the tensor of a name, or the only one of these types.
func only(all []tensor, name, what string, types ...string) (tensor, error) {
	var fit []tensor
	for _, t := range all {
		right := false
		for _, x := range types {
			right = right || t.datatype == x
		}
		if right && (name == "" || t.name == name) {
			fit = append(fit, t)
		}
	}
	switch {
	case len(fit) == 1:
		return fit[0], nil
	case name != "":
		return tensor{}, &accel.Error{Kind: accel.UnknownModel, Message: fmt.Sprintf("the model has no %s that is named %s", what, name)}
	}
	return tensor{}, &accel.Error{Kind: accel.UnknownModel, Message: fmt.Sprintf("the model has %d tensors that may be its %s; name one", len(fit), what)}
}
