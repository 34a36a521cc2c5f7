package policy

import (
	"slices"
	"strings"
)

// Module is one row of the table of dependencies.
type Module struct {
	Path string
	// Why says what it saves us from writing.
	Why string
}

// Allowed is the table of the modules that go.mod may require directly.
func Allowed() []Module {
	return []Module{
		{"cel.dev/cel-go", "expressions that are typed, bounded and known to users; a language of our own would be neither"},
		{"github.com/RoaringBitmap/roaring/v2", "sets of slots for exact filters in the embedded index"},
		{"github.com/apache/arrow/go/v17", "columns at the edges: workers, Parquet, Flight"},
		{"github.com/aws/aws-sdk-go-v2", "requests to S3 and SQS that are signed: the words that every server of the kind is tried against"},
		{"github.com/aws/aws-sdk-go-v2/config", "who we are at AWS, found as its own tools find it: environment, profiles, roles of machines and pods"},
		{"github.com/aws/aws-sdk-go-v2/feature/ec2/imds", "the role of a machine, and leaving it unasked for servers beside AWS; it comes with config"},
		{"github.com/aws/aws-sdk-go-v2/service/s3", "the calls of S3"},
		{"github.com/aws/aws-sdk-go-v2/service/sqs", "the calls of SQS"},
		{"github.com/aws/smithy-go", "the errors of AWS's clients; it comes with them"},
		{"github.com/bmatcuk/doublestar/v4", "globs with **, with the corner cases that users of other tools expect"},
		{"github.com/bufbuild/protocompile", "schemas of Protobuf, compiled in the process"},
		{"github.com/chromedp/chromedp", "tests: a real browser, driven by clicks and keys"},
		{"github.com/clipperhouse/uax29/v2", "borders of sentences, words and graphemes as Unicode defines them"},
		{"github.com/cockroachdb/pebble/v2", "the log-structured store under state, memo and index"},
		{"github.com/fsnotify/fsnotify", "notices of changed files on every system"},
		{"github.com/gabriel-vasile/mimetype", "media types by content"},
		{"github.com/google/go-cmp", "tests: differences that can be read"},
		{"github.com/jackc/pglogrepl", "the words of logical replication: places in the log, who a server is"},
		{"github.com/jackc/pgx/v5", "the protocol of PostgreSQL: authentication, TLS, binary values, COPY"},
		{"github.com/hamba/avro/v2", "schemas of Avro: names, references, logical types"},
		{"github.com/klauspost/cpuid/v2", "what the processor can do, for the kernels"},
		{"github.com/modelcontextprotocol/go-sdk", "the Model Context Protocol in all its versions, from those who write it; its client in tests"},
		{"github.com/prometheus/client_golang", "metrics in the format that everybody scrapes"},
		{"github.com/qdrant/go-client", "the calls of Qdrant over gRPC, with the stubs that its fake is made of"},
		{"github.com/rogpeppe/go-internal", "tests: scripts of the command line, and txtar"},
		{"github.com/sony/gobreaker/v2", "circuit breakers"},
		{"github.com/spf13/cobra", "verbs, flags and completion"},
		{"github.com/spf13/pflag", "the flags that cobra hands out; it comes with cobra"},
		{"github.com/tiktoken-go/tokenizer", "counting of tokens as the models count them"},
		{"github.com/twmb/franz-go", "the client of Kafka: its protocol, its transactions, its retries"},
		{"github.com/twmb/franz-go/pkg/kadm", "questions to a Kafka cluster, and topics made"},
		{"github.com/twmb/franz-go/pkg/kfake", "tests: a Kafka cluster in the process, whose answers can be scripted"},
		{"github.com/twmb/franz-go/pkg/kmsg", "the messages of Kafka's protocol; it comes with the client"},
		{"github.com/twmb/franz-go/pkg/sr", "the client of schema registries, with a fake for tests"},
		{"github.com/yuin/goldmark", "the structure of Markdown by CommonMark"},
		{"github.com/zeebo/xxh3", "checksums and hashes of keys"},
		{"go.uber.org/goleak", "tests: goroutines that stay behind"},
		{"go.yaml.in/yaml/v3", "YAML with the positions that diagnostics point to"},
		{"golang.org/x/sync", "errgroup: goroutines that somebody waits for"},
		{"golang.org/x/sys", "file notices and processor features that syscall lacks"},
		{"golang.org/x/term", "whether a person is watching, and how wide the window is"},
		{"golang.org/x/text", "normal forms of Unicode"},
		{"google.golang.org/grpc", "the streams under Arrow Flight: HTTP/2, TLS, flow control"},
		{"google.golang.org/protobuf", "messages of Protobuf whose schema is known only when they come"},
		{"pgregory.net/rapid", "tests: model checks with shrinking"},
	}
}

// Modules holds go.mod against [Allowed], and against what the house imports.
func Modules(h *House) []Finding {
	text, ok := h.text("go.mod")
	if !ok {
		return []Finding{{Path: "go.mod", What: "missing", Fix: "run `go mod init " + modulePath + "`"}}
	}
	allowed := make(map[string]Module)
	for _, m := range Allowed() {
		allowed[m.Path] = m
	}
	imported := h.imported()
	var findings []Finding
	for _, d := range directives(text) {
		found := Finding{Path: text.Path, Line: d.line}
		switch {
		case d.verb == "module" && d.path != modulePath:
			found.What, found.Fix = "module "+d.path, "it is "+modulePath
		case slices.Contains([]string{"replace", "exclude", "retract"}, d.verb):
			found.What, found.Fix = d.verb+" directive", "require a version that works for whoever imports this module"
		case d.verb != "require":
			continue
		case d.indirect && imported(d.path):
			found.What, found.Fix = d.path+" is imported and marked indirect", "run `go mod tidy`"
		case d.indirect:
			continue
		case allowed[d.path].Why == "":
			found.What = d.path + " is not in the table of modules"
			found.Fix = "use what is there or the standard library; otherwise add a row to Allowed in cmd/internal/policy with the reason"
		case !imported(d.path):
			found.What, found.Fix = d.path+" is required and nobody imports it", "run `go mod tidy`"
		default:
			continue
		}
		findings = append(findings, found)
	}
	return findings
}

// imported reports whether any file imports a package of a module. The longest module wins, so that
// a module below another does not count for it; none of ours are nested.
func (h *House) imported() func(module string) bool {
	var targets []string
	for _, s := range h.Sources {
		for _, spec := range s.Syntax.Imports {
			targets = append(targets, strings.Trim(spec.Path.Value, "`\""))
		}
	}
	return func(module string) bool {
		return slices.ContainsFunc(targets, func(t string) bool { return t == module || strings.HasPrefix(t, module+"/") })
	}
}

// directive is one line of go.mod, out of its block.
type directive struct {
	verb, path string
	indirect   bool
	line       int
}

func directives(text *Text) []directive {
	var (
		all   []directive
		block string
	)
	for i, line := range text.Lines {
		code, comment, _ := strings.Cut(line, "//")
		words := strings.Fields(code)
		switch {
		case len(words) == 0:
			continue
		case words[0] == ")":
			block = ""
			continue
		case len(words) == 2 && words[1] == "(":
			block = words[0]
			continue
		case block != "":
			words = append([]string{block}, words...)
		}
		d := directive{verb: words[0], indirect: strings.TrimSpace(comment) == "indirect", line: i + 1}
		if len(words) > 1 {
			d.path = words[1]
		}
		all = append(all, d)
	}
	return all
}
