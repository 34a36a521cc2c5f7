// Package kservetest serves a model of vectors over KServe v2, as Triton does, in the process of a test.
//
// [Start] takes the model's answers as they travel, so that a test may also give damaged ones; [Metadata] and [Vectors] write
// those that are whole. The model takes a tensor TEXT of texts and gives a tensor VECTOR of numbers.
//
// It imports none of Freshet's packages. So it cannot repeat a mistake of the client.
//
// # Concurrency
//
// A [Server] is safe for concurrent use; what answers is asked by one call at a time. Its goroutines are gone when the test
// that started it has ended.
package kservetest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
)

// Server is a model that is served.
type Server struct {
	url      string
	metadata []byte
	infer    func(texts []string) ([]byte, error)

	mu    sync.Mutex
	asked [][]string
}

// Start serves until the test ends. metadata is the answer to ModelMetadata; infer answers ModelInfer, and an error of it is
// the status of the call.
func Start(t testing.TB, metadata []byte, infer func(texts []string) ([]byte, error)) *Server {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kserve.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{url: "unix:" + path, metadata: metadata, infer: infer}
	server := grpc.NewServer(grpc.ForceServerCodec(plain{}), grpc.UnknownServiceHandler(s.serve))
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := server.Serve(l); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			t.Errorf("serve a model: %v", err)
		}
	})
	t.Cleanup(func() {
		server.Stop()
		serving.Wait()
	})
	return s
}

// URL is where the server listens, as a flow file names it.
func (s *Server) URL() string { return s.url }

// Asked are the texts of each call for vectors so far.
func (s *Server) Asked() [][]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

func (s *Server) serve(_ any, stream grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(stream)
	var question, answer []byte
	err := stream.RecvMsg(&question)
	if err != nil {
		return err
	}
	switch name, _ := strings.CutPrefix(method, "/inference.GRPCInferenceService/"); name {
	case "ModelMetadata":
		answer = s.metadata
	case "ModelInfer":
		answer, err = s.take(question)
	default:
		err = status.Error(codes.Unimplemented, method)
	}
	if err != nil {
		return err
	}
	return stream.SendMsg(&answer)
}

func (s *Server) take(question []byte) ([]byte, error) {
	texts, err := textsOf(question)
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, texts)
	return s.infer(texts)
}

// plain lets gRPC carry messages as they are.
type plain struct{}

func (plain) Name() string { return "proto" }

func (plain) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }

func (plain) Unmarshal(data []byte, v any) error {
	*v.(*[]byte) = slices.Clone(data) // gRPC takes the memory back
	return nil
}

// errQuestion is a question that is not one for a tensor of texts.
var errQuestion = errors.New("the question holds no texts")

// textsOf reads the raw contents of a question's tensor: each text with its length before it.
func textsOf(question []byte) (texts []string, err error) {
	for len(question) > 0 {
		field, kind, n := protowire.ConsumeField(question)
		if n < 0 {
			return nil, protowire.ParseError(n)
		}
		if field == 7 && kind == protowire.BytesType { // raw_input_contents
			_, _, tag := protowire.ConsumeTag(question)
			contents, _ := protowire.ConsumeBytes(question[tag:])
			for len(contents) >= 4 {
				length := 4 + uint64(binary.LittleEndian.Uint32(contents))
				if length > uint64(len(contents)) {
					return nil, fmt.Errorf("%w: one ends beyond it", errQuestion)
				}
				texts, contents = append(texts, string(contents[4:length])), contents[length:]
			}
		}
		question = question[n:]
	}
	if len(texts) == 0 {
		return nil, errQuestion
	}
	return texts, nil
}

// Metadata describes a model whose vectors have dims numbers.
func Metadata(model, version string, dims int) []byte {
	b := named(model, version)
	b = lay(b, 4, tensor("TEXT", "BYTES", -1, 1))
	return lay(b, 5, tensor("VECTOR", "FP32", -1, int64(dims)))
}

// Vectors is an answer of a version of a model with these vectors, as the tensor of that name.
func Vectors(model, version, name string, vectors [][]float32) []byte {
	b := lay(named(model, version), 5, tensor(name, "FP32", int64(len(vectors)), int64(len(vectors[0]))))
	var raw []byte
	for _, v := range vectors {
		for _, x := range v {
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(x))
		}
	}
	return lay(b, 6, raw)
}

func named(model, version string) []byte { return lay(lay(nil, 1, []byte(model)), 2, []byte(version)) }

func tensor(name, datatype string, shape ...int64) []byte {
	var numbers []byte
	for _, n := range shape {
		numbers = protowire.AppendVarint(numbers, uint64(n))
	}
	return lay(lay(lay(nil, 1, []byte(name)), 2, []byte(datatype)), 3, numbers)
}

// lay adds a field.
func lay(b []byte, field protowire.Number, data []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), data)
}
