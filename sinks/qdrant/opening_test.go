package qdrant_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	client "github.com/qdrant/go-client/qdrant"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/sinks/qdrant"
	"github.com/freshet/freshet/sinks/qdrant/qdranttest"
	"github.com/freshet/freshet/stream"
)

func (d *docs) preview() []string {
	d.t.Helper()
	target := d.target
	target.Collections = []stream.SinkCollection{d.collection()}
	steps, err := d.bed.Sink().(stream.Previewer).Preview(d.t.Context(), target)
	if err != nil {
		d.t.Fatalf("preview: %v", err)
	}
	return steps
}

// What a preview says is what an opening does, and nothing is done.
func TestAPreviewSaysWhatAnOpeningDoes(t *testing.T) {
	d := newDocs(t, qdrant.Options{Index: []string{"body"}, OnDisk: true, Quantization: qdrant.Scalar, M: 8})
	told := strings.Join(d.preview(), "\n")
	for _, want := range []string{"create collection docs--flow-sink-16 (vector: 3 numbers, cosine; on disk; hnsw m=8 ef_construct=0; quantization scalar)",
		"create payload index on body of docs--flow-sink-16 (keyword)", "point alias docs at docs--flow-sink-16"} {
		if !strings.Contains(told, want) {
			t.Errorf("the preview lacks %q: %s", want, told)
		}
	}
	if got := d.bed.made(); len(got) > 0 {
		t.Errorf("the preview has made %v", got)
	}
	d.open()
	d.apply(many(0, 3, "x")...)
	if told := d.preview(); len(told) > 0 {
		t.Errorf("after the opening there is still to do: %v", told)
	}
	info, err := d.bed.collections.Get(t.Context(), &client.GetCollectionInfoRequest{CollectionName: "docs"})
	if err != nil {
		t.Fatal(err)
	}
	params := info.GetResult().GetConfig().GetParams().GetVectorsConfig().GetParamsMap().GetMap()["vector"]
	if params.GetSize() != 3 || params.GetDistance() != client.Distance_Cosine || !params.GetOnDisk() || params.GetHnswConfig().GetM() != 8 || params.GetQuantizationConfig().GetScalar() == nil {
		t.Errorf("it is made as %v", params)
	}
	if got := info.GetResult().GetPayloadSchema()["body"].GetDataType(); got != client.PayloadSchemaType_Keyword {
		t.Errorf("the index on body is %v", got)
	}
}

// What is there and somebody else's is left alone, and named.
func TestANameThatIsTakenIsLeftAlone(t *testing.T) {
	tests := []struct {
		name string
		take func(d *docs)
		says string
	}{
		{"a collection", func(d *docs) { d.make("docs"); d.foreign("docs") }, "not Freshet's"},
		{"an alias", func(d *docs) { d.make("theirs"); d.foreign("theirs"); d.point("docs", "theirs") }, "not Freshet's"},
		{"the collection of another flow", func(d *docs) {
			d.target.Flow = "other"
			d.open()
			d.apply(many(0, 3, "other")...)
			d.target = stream.Target{Flow: "flow", Sink: "sink", Instance: 16, State: "state"}
		}, "belongs to the sink sink of the flow other"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := newDocs(t, qdrant.Options{})
			test.take(d)
			before, err := d.bed.all("docs")
			if err != nil {
				t.Fatal(err)
			}
			_, err = d.tryOpen()
			var problem *stream.Problem
			if !errors.As(err, &problem) || problem.Code != "collection_taken" || problem.Exit != 3 || !strings.Contains(problem.Message, test.says) || problem.Hint == "" {
				t.Errorf("it is answered with %v", err)
			}
			if after, err := d.bed.all("docs"); err != nil || len(after) != len(before) {
				t.Errorf("%d points are left of %d: %v", len(after), len(before), err)
			}
		})
	}
}

func (d *docs) make(name string) {
	d.t.Helper()
	_, err := d.bed.collections.Create(context.Background(), &client.CreateCollection{CollectionName: name,
		VectorsConfig: client.NewVectorsConfigMap(map[string]*client.VectorParams{"vector": {Size: 3, Distance: client.Distance_Cosine}})})
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d *docs) point(alias, collection string) {
	d.t.Helper()
	if _, err := d.bed.collections.UpdateAliases(context.Background(), &client.ChangeAliases{Actions: []*client.AliasOperations{client.NewAliasCreate(alias, collection)}}); err != nil {
		d.t.Fatal(err)
	}
}

// Points that somebody puts among ours are not counted, listed, overwritten or deleted, and outlive the sink.
func TestForeignPointsStay(t *testing.T) {
	d := newDocs(t, qdrant.Options{})
	d.open()
	d.apply(many(0, 3, "x")...)
	d.foreign("docs")
	if p := d.open(); p.Wiped || p.Foreign {
		t.Errorf("the opening tells of %+v", p)
	}
	if n := d.writer.(stream.Counter).Rows(); n != 3 {
		t.Errorf("%d rows are counted", n)
	}
	err := d.writer.(stream.Lister).Keys(t.Context(), func(_ int, key string) error {
		if key == "" || key == "4711" {
			t.Errorf("the key %q is listed", key)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if hits := d.search(direction(999, 3), 10, nil); len(hits) != 3 {
		t.Errorf("a search finds %d rows", len(hits))
	}
	d.close()
	if err := d.bed.Sink().(stream.Dropper).Drop(t.Context(), d.target); err != nil {
		t.Fatal(err)
	}
	left, err := d.bed.all("docs--flow-sink-16")
	if err != nil || len(left) != 1 || left[0].GetPayload()["body"].GetStringValue() != "foreign" {
		t.Errorf("after the drop there are %v: %v", left, err)
	}
}

// The same flow may run elsewhere, with another state, on another collection of the same server.
func TestAnotherDeploymentIsLeftAlone(t *testing.T) {
	d := newDocs(t, qdrant.Options{})
	d.open()
	d.apply(many(0, 3, "production")...)
	other := &docs{t: t, bed: d.bed.named(t, "staging"), dims: 3, target: stream.Target{Flow: "flow", Sink: "sink", Instance: 16, State: "another"}}
	t.Cleanup(other.close)
	other.open()
	other.apply(many(0, 2, "staging")...)
	d.has("beside another deployment", "0|production 0", "1|production 1", "2|production 2")
	other.close()
	if err := other.bed.Sink().(stream.Dropper).Drop(t.Context(), other.target); err != nil {
		t.Fatal(err)
	}
	d.apply(row{id: 3, body: "production 3"})
	d.has("after the other was dropped", "0|production 0", "1|production 1", "2|production 2", "3|production 3")
}

// A new state with another model begins anew; what the lost one has made goes.
func TestANewStateWithAnotherModelBeginsAnew(t *testing.T) {
	d := newDocs(t, qdrant.Options{})
	d.open()
	d.apply(many(0, 3, "x")...)
	d.close()
	d.target, d.dims, d.epoch = stream.Target{Flow: "flow", Sink: "sink", Instance: 16, State: "new"}, 4, 0
	if p := d.open(); p.Foreign || p.Wiped || p.Epoch != 0 {
		t.Errorf("the opening tells of %+v", p)
	}
	d.apply(row{id: 7, body: "y"})
	d.has("in the new state", "7|y")
	if got := strings.Join(d.bed.made(), " "); got != "docs--flow-sink-16" {
		t.Errorf("there are %s", got)
	}
}

// An alias that somebody has removed is put back.
func TestALostAliasIsPutBack(t *testing.T) {
	d := newDocs(t, qdrant.Options{})
	d.open()
	d.apply(many(0, 2, "x")...)
	if _, err := d.bed.collections.UpdateAliases(t.Context(), &client.ChangeAliases{Actions: []*client.AliasOperations{client.NewAliasDelete("docs")}}); err != nil {
		t.Fatal(err)
	}
	d.open()
	d.has("after the opening", "0|x 0", "1|x 1")
}

// certificate is one of 127.0.0.1, and the file of those that trust it.
func certificate(t *testing.T) (*tls.Config, string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{raw}, PrivateKey: private}}, MinVersion: tls.VersionTLS12}, path
}

func TestWhatKeepsFromTheServerIsNamed(t *testing.T) {
	const key = "a-key-that-nobody-shall-see"
	config, ca := certificate(t)
	closed, secure, old := qdranttest.Start(t, qdranttest.Options{APIKey: key}), qdranttest.Start(t, qdranttest.Options{TLS: config, APIKey: key}), qdranttest.Start(t, qdranttest.Options{Version: "1.15.4"})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := "http://" + listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		o    qdrant.Options
		code string // empty: it opens
	}{
		{"the key", qdrant.Options{URL: closed.URL(), APIKey: key}, ""},
		{"no key", qdrant.Options{URL: closed.URL()}, "access_denied"},
		{"another key", qdrant.Options{URL: closed.URL(), APIKey: key + "r"}, "access_denied"},
		{"a trusted certificate", qdrant.Options{URL: secure.URL(), APIKey: key, TLS: qdrant.TLS{CA: ca}}, ""},
		{"a certificate that nobody trusts", qdrant.Options{URL: secure.URL(), APIKey: key}, "server_unreachable"},
		{"no encryption where the server wants it", qdrant.Options{URL: strings.Replace(secure.URL(), "https", "http", 1), APIKey: key}, "server_unreachable"},
		{"an old server", qdrant.Options{URL: old.URL()}, "server_too_old"},
		{"no server", qdrant.Options{URL: nobody}, "server_unreachable"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := &docs{t: t, bed: &bed{t: t, options: test.o}, dims: 3, target: stream.Target{Flow: "flow", Sink: "sink", Instance: 16, State: "state"}}
			d.bed.options.Collection = "docs"
			_, err := d.tryOpen()
			d.close()
			var problem *stream.Problem
			switch {
			case test.code == "" && err != nil:
				t.Errorf("it ends with %v", err)
			case test.code != "" && (!errors.As(err, &problem) || problem.Code != test.code || problem.Exit != 3 || problem.Hint == ""):
				t.Errorf("it ends with %v", err)
			case err != nil && (strings.Contains(err.Error(), key) || strings.Contains(problem.Hint, key)):
				t.Errorf("the key is shown: %v", err)
			}
		})
	}
}

func TestOptionsThatCannotBeMeantAreNamed(t *testing.T) {
	tests := []struct {
		name   string
		change func(o *qdrant.Options)
		field  string
	}{
		{"no url", func(o *qdrant.Options) { o.URL = "" }, "url"},
		{"a url of something else", func(o *qdrant.Options) { o.URL = "postgres://h/d" }, "url"},
		{"a url with a password", func(o *qdrant.Options) { o.URL = "http://user:secret-word@h" }, "url"},
		{"a url with a path", func(o *qdrant.Options) { o.URL = "http://h/collections" }, "url"},
		{"no collection", func(o *qdrant.Options) { o.Collection = "" }, "collection"},
		{"a collection with a slash", func(o *qdrant.Options) { o.Collection = "a/b" }, "collection"},
		{"trust without encryption", func(o *qdrant.Options) { o.TLS.CA = "ca.pem" }, "tls"},
		{"a certificate without a key", func(o *qdrant.Options) { o.URL, o.TLS.Cert = "https://h", "c.pem" }, "tls"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			o := qdrant.Options{URL: "http://localhost", Collection: "docs"}
			test.change(&o)
			_, err := qdrant.New(o)
			var problem *stream.Problem
			if !errors.As(err, &problem) || problem.Field != test.field || problem.Hint == "" || strings.Contains(err.Error()+problem.Hint, "secret-word") {
				t.Errorf("it is answered with %v", err)
			}
		})
	}
}

func TestWhatCannotBeBoundIsNamed(t *testing.T) {
	text, vector := cdc.Type{Kind: cdc.String}, cdc.Type{Kind: cdc.Vector, Dims: 3}
	collection := func(name string, columns ...cdc.Column) stream.Collection {
		return stream.Collection{Name: name, Schema: &cdc.Schema{Columns: columns, Key: []int{0}}}
	}
	id := cdc.Column{Name: "id", Type: text}
	tests := []struct {
		name  string
		in    []stream.Collection
		index []string
		code  string
	}{
		{"one vector", []stream.Collection{collection("a", id, cdc.Column{Name: "v", Type: vector})}, []string{"id"}, ""},
		{"no vector", []stream.Collection{collection("a", id)}, nil, "no_vector_column"},
		{"two vectors", []stream.Collection{collection("a", id, cdc.Column{Name: "v", Type: vector}, cdc.Column{Name: "w", Type: vector})}, nil, "no_vector_column"},
		{"vectors of two lengths", []stream.Collection{collection("a", id, cdc.Column{Name: "v", Type: vector}), collection("b", id, cdc.Column{Name: "v", Type: cdc.Type{Kind: cdc.Vector, Dims: 4}})}, nil, "dims_mismatch"},
		{"vectors of two names", []stream.Collection{collection("a", id, cdc.Column{Name: "v", Type: vector}), collection("b", id, cdc.Column{Name: "w", Type: vector})}, nil, "dims_mismatch"},
		{"a column that Freshet adds", []stream.Collection{collection("a", id, cdc.Column{Name: "_key", Type: text}, cdc.Column{Name: "v", Type: vector})}, nil, "bad_value"},
		{"an index on nothing", []stream.Collection{collection("a", id, cdc.Column{Name: "v", Type: vector})}, []string{"other"}, "unknown_column"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, err := qdrant.New(qdrant.Options{URL: "http://localhost", Collection: "docs", Index: test.index})
			if err != nil {
				t.Fatal(err)
			}
			_, err = s.Bind(test.in)
			var problem *stream.Problem
			if test.code == "" && err != nil || test.code != "" && (!errors.As(err, &problem) || problem.Code != test.code || problem.Hint == "") {
				t.Errorf("it is answered with %v", err)
			}
		})
	}
}
