package qdranttest

import (
	"context"
	"crypto/subtle"
	"crypto/tls"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// Options say what kind of server it is.
type Options struct {
	// APIKey is asked of every call but the health check's; empty: none.
	APIKey string
	// Version is what the server says it is; empty: 1.19.0.
	Version string
	// TLS has it served encrypted; nil: not.
	TLS *tls.Config
	// RequestBytes bounds a request; 0 stands for 64 MiB.
	RequestBytes int
}

// Server is a running server. It forgets everything when it ends.
type Server struct {
	o       Options
	address string

	mu          sync.Mutex
	collections map[string]*collection
	aliases     map[string]string
	faults      []Fault
	reject      func(id string) bool
	misses      func(id string) bool
	watch       func(points map[string]int)
	before      func(method string)
	waiting     []func() // writes that were not waited for, oldest first
	calls       map[string]int
	wrong       []string
}

// Start starts a server on this machine, which ends with the test.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, stop := New(listener, o)
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := stop.Serve(listener); err != nil {
			t.Errorf("serve qdrant: %v", err)
		}
	})
	t.Cleanup(func() {
		stop.Stop()
		serving.Wait()
	})
	return s
}

// New makes a server for whoever serves it on the listener, and stops it.
func New(listener net.Listener, o Options) (*Server, *grpc.Server) {
	if o.Version == "" {
		o.Version = "1.19.0"
	}
	if o.RequestBytes == 0 {
		o.RequestBytes = 64 << 20
	}
	s := &Server{o: o, address: listener.Addr().String(), collections: map[string]*collection{}, aliases: map[string]string{}, calls: map[string]int{}}
	options := []grpc.ServerOption{grpc.UnaryInterceptor(s.admit), grpc.MaxRecvMsgSize(o.RequestBytes)}
	if o.TLS != nil {
		options = append(options, grpc.Creds(credentials.NewTLS(o.TLS)))
	}
	g := grpc.NewServer(options...)
	qdrant.RegisterPointsServer(g, &pointsService{server: s})
	qdrant.RegisterCollectionsServer(g, &collectionsService{server: s})
	qdrant.RegisterQdrantServer(g, &healthService{server: s})
	return s, g
}

// URL is the server's address.
func (s *Server) URL() string {
	if s.o.TLS != nil {
		return "https://" + s.address
	}
	return "http://" + s.address
}

// Before calls fn before every call is taken up, outside of the server's lock; nil ends it.
func (s *Server) Before(fn func(method string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before = fn
}

// Texts gives a text of the payload of every point that a search may find, by the text under _key. The name may be an
// alias; one that stands for nothing gives none.
func (s *Server) Texts(collection, field string) map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := map[string]string{}
	c, err := s.find(collection)
	if err != nil {
		return found
	}
	for _, p := range c.points {
		if len(p.GetVectors().GetVectors().GetVectors()) > 0 {
			found[p.GetPayload()["_key"].GetStringValue()] = p.GetPayload()[field].GetStringValue()
		}
	}
	return found
}

// Calls counts the calls of a method, such as UpdateBatch.
func (s *Server) Calls(method string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[method]
}

// Wrong lists what no client should do that wants its writes to last.
func (s *Server) Wrong() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.wrong)
}

// admit looks at the key of a call.
func (s *Server) admit(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	method := info.FullMethod[strings.LastIndexByte(info.FullMethod, '/')+1:]
	s.mu.Lock()
	s.calls[method]++
	before := s.before
	s.mu.Unlock()
	if before != nil {
		before(method)
	}
	if s.o.APIKey != "" && method != "HealthCheck" {
		md, _ := metadata.FromIncomingContext(ctx)
		keys := md.Get("api-key")
		if len(keys) != 1 || subtle.ConstantTimeCompare([]byte(keys[0]), []byte(s.o.APIKey)) != 1 {
			return nil, status.Error(codes.Unauthenticated, "Must provide an API key or an Authorization bearer token")
		}
	}
	return handler(ctx, req)
}

type healthService struct {
	qdrant.UnimplementedQdrantServer
	server *Server
}

func (h *healthService) HealthCheck(context.Context, *qdrant.HealthCheckRequest) (*qdrant.HealthCheckReply, error) {
	return &qdrant.HealthCheckReply{Title: "qdrant - vector search engine", Version: h.server.o.Version}, nil
}
