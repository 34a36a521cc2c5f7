package qdrant_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	client "github.com/qdrant/go-client/qdrant"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/sinks/qdrant"
	"github.com/freshet/freshet/sinks/qdrant/qdranttest"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/streamtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bed is a collection with a sink over it, read as any reader would.
type bed struct {
	t           testing.TB
	server      *qdranttest.Server // nil: a real one
	options     qdrant.Options
	points      client.PointsClient
	collections client.CollectionsClient
}

// newBed is a collection of its own on a server in the process.
func newBed(t testing.TB, o qdrant.Options) *bed {
	t.Helper()
	server := qdranttest.Start(t, qdranttest.Options{})
	o.URL = server.URL()
	if o.Collection == "" {
		o.Collection = "docs"
	}
	b := reach(t, o)
	b.server = server
	t.Cleanup(func() {
		if wrong := server.Wrong(); len(wrong) > 0 {
			t.Errorf("the sink writes in a way that may be lost: %v", wrong)
		}
	})
	return b
}

func reach(t testing.TB, o qdrant.Options) *bed {
	t.Helper()
	conn, err := grpc.NewClient(strings.TrimPrefix(o.URL, "http://"), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithUnaryInterceptor(func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			return invoke(metadata.AppendToOutgoingContext(ctx, "api-key", o.APIKey), method, req, reply, cc, opts...)
		}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := client.NewQdrantClient(conn).HealthCheck(t.Context(), &client.HealthCheckRequest{}); err != nil { // the connection is open from here on
		t.Fatal(err)
	}
	return &bed{t: t, options: o, points: client.NewPointsClient(conn), collections: client.NewCollectionsClient(conn)}
}

// named is another collection of the same server.
func (b *bed) named(t testing.TB, collection string) *bed {
	other := *b
	other.t, other.options.Collection = t, collection
	return &other
}

func (b *bed) Sink() stream.Sink {
	s, err := qdrant.New(b.options)
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

// all reads every point of the collection that the name stands for.
func (b *bed) all(collection string) ([]*client.RetrievedPoint, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var points []*client.RetrievedPoint
	var from *client.PointId
	for {
		page, err := b.points.Scroll(ctx, &client.ScrollPoints{CollectionName: collection, Offset: from, Limit: client.PtrOf(uint32(100)),
			WithPayload: client.NewWithPayload(true), WithVectors: client.NewWithVectors(true)})
		if err != nil {
			return nil, err
		}
		points = append(points, page.GetResult()...)
		if from = page.GetNextPageOffset(); from == nil {
			return points, nil
		}
	}
}

// Rows are the points that a search can find: those with a vector.
func (b *bed) Rows(stream.Writer) (map[string]streamtest.Row, error) {
	points, err := b.all(b.options.Collection)
	if err != nil {
		return nil, err
	}
	rows := map[string]streamtest.Row{}
	columns := []cdc.Column{{Name: "owner", Type: cdc.Type{Kind: cdc.String}}, {Name: "part", Type: cdc.Type{Kind: cdc.Int64}},
		{Name: "text", Type: cdc.Type{Kind: cdc.String}}, {Name: "number", Type: cdc.Type{Kind: cdc.Float64}}}
	for _, p := range points {
		if len(p.GetVectors().GetVectors().GetVectors()) == 0 {
			continue
		}
		var r cdc.RowBuilder
		for _, c := range columns {
			switch v := p.GetPayload()[c.Name].GetKind().(type) {
			case *client.Value_StringValue:
				r.Text(v.StringValue)
			case *client.Value_IntegerValue:
				r.Int64(v.IntegerValue)
			case *client.Value_DoubleValue:
				r.Float64(v.DoubleValue)
			case *client.Value_NullValue:
				r.Null()
			default:
				return nil, fmt.Errorf("read %s: %T", c.Name, v)
			}
		}
		key := p.GetPayload()["_key"].GetStringValue()
		rows[key] = streamtest.Row{JSON: "{" + string(cdc.AppendFieldsJSON(nil, columns, r.Build())) + "}", Version: uint64(p.GetPayload()["_version"].GetIntegerValue())}
	}
	return rows, nil
}

// made are the physical collections of the bed.
func (b *bed) made() []string {
	b.t.Helper()
	all, err := b.collections.List(context.Background(), &client.ListCollectionsRequest{})
	if err != nil {
		b.t.Fatal(err)
	}
	var names []string
	for _, c := range all.GetCollections() {
		if strings.HasPrefix(c.GetName(), b.options.Collection+"--") {
			names = append(names, c.GetName())
		}
	}
	return names
}

// Wipe deletes the collection, and with it its record.
func (b *bed) Wipe() error {
	for _, name := range b.made() {
		if _, err := b.collections.Delete(context.Background(), &client.DeleteCollection{CollectionName: name}); err != nil {
			return err
		}
	}
	return nil
}

var traits = streamtest.SinkTraits{Vector: true, Shared: true, Foreign: true}

func TestACollectionIsASink(t *testing.T) {
	whole := newBed(t, qdrant.Options{}) // its connections outlive the cases, which look for goroutines
	streamtest.TestSink(t, traits, func(t *testing.T) streamtest.SinkHarness {
		whole.server.Wipe()
		return whole.named(t, "docs")
	})
}

// TestACollectionOfARealServerIsASink holds the sink against the server that FRESHET_QDRANT_URL names.
func TestACollectionOfARealServerIsASink(t *testing.T) {
	address := os.Getenv("FRESHET_QDRANT_URL")
	if address == "" {
		t.Skip("FRESHET_QDRANT_URL names no server, such as http://localhost:6334")
	}
	whole := reach(t, qdrant.Options{URL: address, APIKey: os.Getenv("FRESHET_QDRANT_KEY")})
	n := 0
	streamtest.TestSink(t, traits, func(t *testing.T) streamtest.SinkHarness {
		n++
		b := whole.named(t, fmt.Sprintf("freshet-test-%d-%d", os.Getpid(), n))
		t.Cleanup(func() {
			if err := b.Wipe(); err != nil {
				t.Error(err)
			}
		})
		return b
	})
}

// deletePoint deletes a point behind the sink's back.
func (b *bed) deletePoint(collection, id string) error {
	_, err := b.points.Delete(context.Background(), &client.DeletePoints{CollectionName: collection, Wait: client.PtrOf(true),
		Ordering: &client.WriteOrdering{Type: client.WriteOrderingType_Strong}, Points: client.NewPointsSelector(client.NewID(id))})
	return err
}
