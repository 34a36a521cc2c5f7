package policy

import "slices"

// Room is one row of the table of packages.
type Room struct {
	// Path is the folder of the package.
	Path string
	// Rooms are the rooms that it may import; "a/..." stands for a and everything below, "..." for all.
	Rooms []string
	// Modules are the packages of other authors that it may import; a path covers what is below it.
	Modules []string
	// Tests are what its tests may import besides the above and testModules.
	Tests []string
	// Why says what the room is for, and with it why it may import what it does.
	Why string
}

// testModules is what every test may import.
func testModules() []string {
	return []string{
		"github.com/google/go-cmp",
		"github.com/rogpeppe/go-internal",
		"go.uber.org/goleak",
		"pgregory.net/rapid",
	}
}

// Rooms is the table of who may import whom. A new package gets a row, and the row a reason. A row that is
// widened to make a build pass is a decision about the house: say in the commit why.
func Rooms() []Room {
	return slices.Concat(leaves(), sources(), streams(), operators(), sinks(), tops())
}

// leaves: no leaf knows another, but that accel stands on backpressure: a batcher without a governor would
// have to keep limits of its own.
func leaves() []Room {
	return []Room{
		{Path: "cdc", Why: "the words that every room shares; the standard library only, so that everybody can import it"},
		{
			Path:    "statestore",
			Rooms:   []string{"internal/realpath"},
			Modules: []string{"github.com/cockroachdb/pebble/v2", "github.com/zeebo/xxh3"},
			Why:     "the careful layer over Pebble; speaks bytes, so that encodings stay with their owners",
		},
		{
			Path:    "backpressure",
			Modules: []string{"github.com/sony/gobreaker/v2", "golang.org/x/sync"},
			Why:     "credits, limits and breakers; counts cost and does not know a Change",
		},
		{
			Path:  "accel",
			Rooms: []string{"backpressure"},
			Tests: []string{"accel/builtin"},
			Why:   "batching of calls to models and devices, each request asked of a governor; does not know rows",
		},
		{
			Path:    "accel/builtin",
			Rooms:   []string{"accel"},
			Modules: []string{"golang.org/x/text"},
			Why:     "the embedder that needs no server",
		},
		{Path: "accel/openai", Rooms: []string{"accel", "accel/rest"}, Tests: []string{"backpressure"}, Why: "the client for servers that speak OpenAI's protocol"},
		{Path: "accel/anthropic", Rooms: []string{"accel", "accel/rest"}, Tests: []string{"backpressure"}, Why: "the client for Anthropic's Messages"},
		{Path: "accel/ollama", Rooms: []string{"accel", "accel/rest"}, Why: "the client for Ollama"},
		{Path: "accel/tei", Rooms: []string{"accel", "accel/rest"}, Why: "the client for Text Embeddings Inference"},
		{Path: "accel/rest", Rooms: []string{"accel", "backpressure"}, Why: "one JSON exchange with a model server; net/http and nothing more"},
		{Path: "accel/worker", Tests: []string{"internal/testenv"}, Why: "the Python module of workers, carried along; knows nothing of ours"},
		{Path: "accel/rpc", Rooms: []string{"accel"}, Modules: []string{"google.golang.org/grpc"}, Why: "how a model server that speaks gRPC is reached"},
		{
			Path: "accel/kserve", Rooms: []string{"accel", "accel/rpc"}, Modules: []string{"google.golang.org/grpc", "google.golang.org/protobuf"},
			Tests: []string{"accel/kserve/kservetest"},
			Why:   "the client for Triton and others that speak KServe v2 over gRPC",
		},
		{
			Path: "accel/kserve/kservetest", Modules: []string{"google.golang.org/grpc", "google.golang.org/protobuf"},
			Why: "a server of KServe v2 in the process of a test",
		},
		{
			Path:    "accel/flight",
			Rooms:   []string{"accel", "accel/rpc", "backpressure", "cdc", "cdc/arrowrow"},
			Modules: []string{"github.com/apache/arrow/go/v17", "google.golang.org/grpc"},
			Tests:   []string{"internal/testenv"},
			Why:     "workers over Arrow Flight and over pipes; what a call costs is said in the words of backpressure",
		},
	}
}

// sources satisfy stream.Source without importing stream.
func sources() []Room {
	return []Room{
		{
			Path:    "cdc/arrowrow",
			Rooms:   []string{"cdc"},
			Modules: []string{"github.com/apache/arrow/go/v17"},
			Why:     "rows to Arrow and back; the only importer of Arrow besides accel/flight",
		},
		{
			Path:    "cdc/cdctest",
			Rooms:   []string{"cdc", "internal/idle"},
			Modules: []string{"go.uber.org/goleak"},
			Why:     "the conformance suite that every source passes",
		},
		{
			Path:  "cdc/files",
			Rooms: []string{"cdc", "internal/blob", "internal/idle", "internal/realpath"},
			Modules: []string{
				"github.com/bmatcuk/doublestar/v4", "github.com/fsnotify/fsnotify", "github.com/zeebo/xxh3", "golang.org/x/sys",
			},
			Tests: []string{"cdc/cdctest"},
			Why:   "the source of a folder",
		},
		{
			Path:    "cdc/postgres",
			Rooms:   []string{"cdc", "internal/idle", "internal/pgdsn"},
			Modules: []string{"github.com/jackc/pgx/v5", "github.com/jackc/pglogrepl"},
			Tests:   []string{"cdc/cdctest", "internal/testenv"},
			Why:     "the source of tables of PostgreSQL, by logical replication",
		},
		{Path: "cdc/http", Rooms: []string{"cdc", "internal/idle"}, Tests: []string{"cdc/cdctest"}, Why: "the source of changes that are pushed over HTTP; net/http and nothing more"},
		{
			Path:  "cdc/kafka",
			Rooms: []string{"cdc", "internal/broker", "internal/idle"},
			Modules: []string{
				"github.com/bufbuild/protocompile", "github.com/hamba/avro/v2", "github.com/twmb/franz-go", "google.golang.org/protobuf",
			},
			Tests: []string{"cdc/cdctest", "internal/testenv"},
			Why:   "the source of a Kafka topic",
		},
		{
			Path:    "cdc/s3",
			Rooms:   []string{"cdc", "internal/blob", "internal/broker", "internal/idle"},
			Modules: []string{"github.com/aws/aws-sdk-go-v2", "github.com/aws/smithy-go", "github.com/twmb/franz-go", "golang.org/x/sync"},
			Tests:   []string{"cdc/cdctest", "cdc/s3/s3test", "internal/testenv"},
			Why:     "the source of a bucket of S3",
		},
		{Path: "cdc/s3/s3test", Why: "a bucket in the process, for tests and the example; net/http and nothing more"},
	}
}

func streams() []Room {
	return []Room{
		{
			Path:  "stream",
			Rooms: []string{"cdc"},
			Tests: []string{"cdc/cdctest"},
			Why:   "contracts: Flow, Operator, Sink, Plan; whoever implements them is unknown here",
		},
		{
			Path:    "stream/expr",
			Rooms:   []string{"cdc", "stream"},
			Modules: []string{"cel.dev/cel-go"},
			Why:     "the expressions of flows; the only importer of CEL",
		},
		{
			Path:    "stream/flowfile",
			Rooms:   []string{"cdc", "stream", "stream/expr"},
			Modules: []string{"go.yaml.in/yaml/v3"},
			Tests:   []string{"cdc/files", "operators"},
			Why:     "YAML to flows; kinds come in a registry, so that no connector is known",
		},
		{
			Path:  "stream/engine",
			Rooms: []string{"backpressure", "cdc", "statestore", "stream"},
			Modules: []string{
				"github.com/prometheus/client_golang", "github.com/zeebo/xxh3", "golang.org/x/sync", "github.com/cockroachdb/pebble/v2/vfs",
			},
			Tests: []string{
				"accel/...", "cdc/...", "operators/...", "sinks/...", "stream/expr", "stream/flowfile", "stream/streamtest", "internal/...",
			},
			Why: "the runtime; knows contracts and the store, and no connector",
		},
		{
			Path:    "stream/api/console",
			Rooms:   []string{"cdc", "stream", "stream/engine"},
			Modules: []string{"golang.org/x/sync"},
			Tests:   []string{"stream/api"},
			Why:     "the pages for people; templates, one style sheet and one script, carried in the binary",
		},
		{
			Path:  "stream/api",
			Rooms: []string{"cdc", "stream", "stream/api/console", "stream/engine", "stream/expr"},
			Modules: []string{
				"github.com/prometheus/client_golang", "golang.org/x/sync",
			},
			Tests: []string{"accel/builtin", "cdc/files", "operators", "sinks/vector", "statestore"},
			Why:   "HTTP over what a running flow answers",
		},
		{
			Path:    "stream/streamtest",
			Rooms:   []string{"cdc", "stream"},
			Modules: testModules(),
			Tests:   []string{"operators/...", "sinks/...", "accel/builtin", "cdc/cdctest", "statestore", "stream/engine"},
			Why:     "conformance suites for operators and sinks, and the oracle; its example is a whole program over the Go API",
		},
	}
}

func operators() []Room {
	return []Room{
		{
			Path:  "operators",
			Rooms: []string{"accel", "backpressure", "cdc", "operators/split", "stream", "stream/expr"},
			Tests: []string{"accel/...", "stream/streamtest"},
			Why:   "filter, map, split, embed, one file each; state comes through stream, never from statestore",
		},
		{
			Path: "operators/split",
			Modules: []string{
				"github.com/clipperhouse/uax29/v2", "github.com/tiktoken-go/tokenizer", "github.com/yuin/goldmark", "github.com/zeebo/xxh3",
			},
			Why: "segmentation of text as pure functions; knows no rows",
		},
	}
}

func sinks() []Room {
	return []Room{
		{
			Path: "sinks/kafka", Rooms: []string{"cdc", "internal/broker", "internal/idle", "stream"}, Modules: []string{"github.com/twmb/franz-go"},
			Tests: []string{"internal/testenv", "stream/streamtest"}, Why: "topics, written in transactions",
		},
		{
			Path: "sinks/qdrant", Rooms: []string{"cdc", "stream"}, Modules: []string{"github.com/qdrant/go-client", "google.golang.org/grpc", "google.golang.org/protobuf"},
			Tests: []string{"sinks/qdrant/qdranttest", "stream/streamtest"}, Why: "collections of a Qdrant server",
		},
		{
			Path: "sinks/qdrant/qdranttest", Modules: []string{"github.com/qdrant/go-client", "google.golang.org/grpc", "google.golang.org/protobuf"},
			Why: "a Qdrant server in the process, for tests and the example",
		},
		{Path: "sinks/jsonl", Rooms: []string{"cdc", "stream"}, Tests: []string{"stream/streamtest"}, Why: "the change log"},
		{
			Path: "sinks/pgvector", Rooms: []string{"cdc", "internal/pgdsn", "stream"}, Modules: []string{"github.com/jackc/pgx/v5"},
			Tests: []string{"internal/testenv", "stream/streamtest"},
			Why:   "tables of PostgreSQL, with vectors or without",
		},
		{
			Path:  "sinks/vector",
			Rooms: []string{"cdc", "sinks/vector/kernel", "statestore", "stream"},
			Modules: []string{
				"github.com/RoaringBitmap/roaring/v2", "github.com/cockroachdb/pebble/v2/vfs", "github.com/zeebo/xxh3",
			},
			Tests: []string{"sinks/vector/vectortest", "stream/streamtest"},
			Why:   "the embedded index; the one sink that keeps a store of its own, opened through statestore",
		},
		{
			Path:    "sinks/vector/kernel",
			Modules: []string{"golang.org/x/sys", "github.com/klauspost/cpuid/v2"},
			Why:     "distances, in Go and in assembly",
		},
		{Path: "sinks/vector/vectortest", Why: "clustered vectors for tests and benchmarks"},
	}
}

// tops may import everything, since nothing imports them.
func tops() []Room {
	return []Room{
		{
			Path:  "cmd/freshet",
			Rooms: []string{"..."},
			Modules: []string{
				"github.com/chromedp/chromedp", "github.com/modelcontextprotocol/go-sdk", "github.com/prometheus/client_golang", "github.com/spf13/cobra", "github.com/spf13/pflag",
				"golang.org/x/sync", "golang.org/x/sys", "golang.org/x/term",
				"go.yaml.in/yaml/v3",
			},
			Why: "verbs and wiring; its test of the console runs a browser",
		},
		{Path: "cmd/internal/policy", Modules: []string{"go.yaml.in/yaml/v3"}, Why: "the rules of the house; reads text, so that it needs nothing of ours"},
		{Path: "benchmarks/postgres", Rooms: []string{"cdc", "cdc/postgres", "internal/idle", "internal/machine", "internal/testenv"}, Modules: []string{"github.com/jackc/pgx/v5"}, Why: "the Postgres source against a raw client and COPY"},
		{
			Path: "benchmarks/kafka", Rooms: []string{"cdc", "cdc/kafka", "internal/broker", "internal/machine", "internal/testenv", "sinks/kafka", "statestore", "stream", "stream/engine"},
			Modules: []string{"github.com/twmb/franz-go", "golang.org/x/sync"}, Why: "the source and the sink of topics against loops over the client alone",
		},
		{Path: "benchmarks/accel", Rooms: []string{"accel", "backpressure"}, Why: "a device that takes its time and nothing else, and the way to it"},
		{Path: "benchmarks", Rooms: []string{"..."}, Modules: []string{"golang.org/x/sync", "github.com/cockroachdb/pebble/v2/vfs"}, Why: "workloads and the report"},
		{Path: "examples", Tests: []string{"examples/internal/scene", "internal/testenv"}, Why: "runs what the pages of the examples show, and compares"},
		{Path: "examples/internal/scene", Rooms: []string{"internal/idle"}, Why: "a folder and the binary for examples to play in; light, so that each links at once"},
		{
			Path: "examples/internal/database", Rooms: []string{"examples/internal/scene", "internal/testenv"}, Modules: []string{"github.com/jackc/pgx/v5"},
			Why: "the PostgreSQL of examples",
		},
		{
			Path: "examples/internal/topic", Rooms: []string{"examples/internal/scene", "internal/testenv"}, Modules: []string{"github.com/twmb/franz-go"},
			Why: "the Kafka of examples",
		},
		{Path: "examples/folder", Rooms: []string{"examples/internal/..."}, Why: "the example of a folder that is searched"},
		{Path: "examples/kafka", Rooms: []string{"examples/internal/..."}, Why: "the example of a topic that is searched, and of one that is made"},
		{Path: "examples/mirror", Rooms: []string{"examples/internal/..."}, Why: "the example of tables that are mirrored together"},
		{Path: "examples/postgres-kafka", Rooms: []string{"examples/internal/..."}, Why: "the example of a table that a topic tells of"},
		{Path: "examples/pgvector", Rooms: []string{"examples/internal/..."}, Why: "the example of a table that is searched"},
		{Path: "examples/s3", Rooms: []string{"cdc/s3/s3test", "examples/internal/..."}, Why: "the example of a bucket, with the bucket"},
		{Path: "examples/tickets", Rooms: []string{"examples/internal/..."}, Why: "the example of fields that a model reads, with the model"},
		{Path: "examples/http", Rooms: []string{"examples/internal/..."}, Why: "the example of changes that are pushed"},
		{Path: "examples/python-call", Rooms: []string{"examples/internal/...", "internal/testenv"}, Why: "the example of a function in Python, with the Python"},
		{Path: "examples/qdrant", Rooms: []string{"examples/internal/...", "sinks/qdrant/qdranttest"}, Why: "the example of a collection of Qdrant, with the collection"},
		{Path: "examples/gofunc", Rooms: []string{"..."}, Why: "a flow whose logic is a Go function and an operator; wires a whole program"},
		{
			Path: "internal/blob", Rooms: []string{"cdc"}, Modules: []string{"github.com/gabriel-vasile/mimetype"}, Tests: []string{"cdc/cdctest"},
			Why: "the rows of named bytes, for the sources of folders and buckets alike",
		},
		{
			Path: "internal/broker", Rooms: []string{"cdc"}, Modules: []string{"github.com/twmb/franz-go"},
			Why: "how a Kafka cluster is reached, for the source and the sink alike",
		},
		{Path: "internal/dist", Why: "archives, packages and bills of materials; the standard library only, so that what packs the house drags nothing into it"},
		{Path: "internal/idle", Why: "the wait between two attempts, for sources and sinks alike"},
		{Path: "internal/machine", Why: "what a measurement says beside its figures, and how a process that runs flows is kept within its memory; the standard library only"},
		{Path: "internal/pgdsn", Modules: []string{"github.com/jackc/pgx/v5"}, Why: "connection strings of PostgreSQL, for the source and the sink alike"},
		{Path: "internal/realpath", Why: "one name for every spelling of a path, for the state and the folder that is read alike; the standard library only"},
		{Path: "internal/testenv", Rooms: []string{"..."}, Modules: append(testModules(), "github.com/jackc/pgx/v5"), Why: "real servers for tests of several rooms"},
	}
}
