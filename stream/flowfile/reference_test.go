package flowfile_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/flowfile"
)

func TestReferenceAndSchema(t *testing.T) {
	made := map[string][]byte{"schema.json": flowfile.Schema(kinds())}
	for page, text := range flowfile.Reference(kinds()) {
		made["reference-"+page+".md"] = text
	}
	for name, got := range made {
		path := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s has changed (-want +got, -update writes it anew)\n%s", name, diff)
		}
	}
}

// TestReferenceTellsEveryKey takes the keys from the schema, which walks the structs on its own way.
func TestReferenceTellsEveryKey(t *testing.T) {
	var page string
	for _, part := range flowfile.Reference(kinds()) {
		page += string(part) + "\n"
	}
	var schema map[string]any
	if err := json.Unmarshal(flowfile.Schema(kinds()), &schema); err != nil {
		t.Fatal(err)
	}
	seen := 0
	var walk func(any)
	walk = func(x any) {
		switch x := x.(type) {
		case []any:
			for _, one := range x {
				walk(one)
			}
		case map[string]any:
			properties, _ := x["properties"].(map[string]any)
			for key := range properties {
				seen++
				if !strings.Contains(page, "`"+key+"`") && !strings.Contains(page, "."+key+"`") && !strings.Contains(page, "## "+key+"\n") {
					t.Errorf("the reference does not tell of %q", key)
				}
			}
			for _, one := range x {
				walk(one)
			}
		}
	}
	walk(schema)
	if seen < 40 {
		t.Errorf("the schema has %d keys", seen)
	}
}

func TestCheckFindsFaultyKinds(t *testing.T) {
	if err := kinds().Check(); err != nil {
		t.Errorf("sound kinds are refused: %v", err)
	}
	type inner struct {
		Wait time.Duration `yaml:"wait" default:"soon" doc:"x"`
	}
	type faulty struct {
		Size   int            `yaml:"size" default:"0" min:"1" doc:"x"`
		Word   string         `yaml:"word" enum:"a,b" default:"c" doc:"x"`
		Silent string         `yaml:"silent"`
		Twice  string         `yaml:"twice" doc:"x"`
		Again  string         `yaml:"twice" doc:"x"`
		Pipe   chan int       `yaml:"pipe" doc:"x"`
		Inner  []inner        `yaml:"inner" doc:"x"`
		Ignore map[int]string // without a tag it is none of ours
	}
	r := flowfile.Registry{Operators: map[string]flowfile.OperatorKind{
		"cut":  {Doc: "x", New: func() any { return new(faulty) }},
		"from": {New: func() any { return inner{} }},
	}}
	err := r.Check()
	if err == nil {
		t.Fatal("faulty kinds are taken")
	}
	for _, want := range []string{"step cut.size: its default: \"size\" must be at least 1", "step cut.word: its default:",
		"step cut.silent: no documentation", "step cut.twice: two fields", "step cut.pipe: flow files cannot hold chan int",
		"step cut.inner.wait: its default:", "step from: no documentation", "step from: the name is a key of every step",
		"step from: New yields flowfile_test.inner, no pointer"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not told:\n%v", want, err)
		}
	}
	if n := len(strings.Split(err.Error(), "\n")); n != 9 {
		t.Errorf("%d faults are told:\n%v", n, err)
	}
}

func TestProjectIsOptional(t *testing.T) {
	r := kinds()
	r.Project = nil
	text := strings.Replace(good, "[path, chunk, vector]", "{file: row.path}", 1)
	_, err := flowfile.Parse("flow.yaml", []byte(text), flowfile.LoadOptions{Registry: r, LookupEnv: environment})
	if err == nil || !strings.HasPrefix(err.Error(), "flow.yaml:32:5: expressions for columns") {
		t.Errorf("%v", err)
	}
	var columns []flowfile.NamedExpr
	r.Project = func(c []flowfile.NamedExpr, _ stream.Sink) (stream.Operator, error) {
		columns = c
		return mapConfig{Columns: c}, nil
	}
	text = strings.Replace(good, "[path, chunk, vector]", "{z: row.path, a: row.vector}", 1)
	f, err := flowfile.Parse("flow.yaml", []byte(text), flowfile.LoadOptions{Registry: r, LookupEnv: environment, Dir: folder(t)})
	if err != nil {
		t.Fatal(err)
	}
	plan, err := f.Plan(t.Context())
	if err != nil || plan.Steps[len(plan.Steps)-1].Name != "index/vectors" || len(columns) != 2 || columns[0].Name != "z" {
		t.Errorf("plan %+v, %v, columns %v", plan, err, columns)
	}
}
