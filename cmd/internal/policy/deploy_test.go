package policy_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// rule is an alert, with every key that one may have here.
type rule struct {
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

// alerts reads the rules strictly.
func alerts(t *testing.T) []rule {
	t.Helper()
	var file struct {
		Groups []struct {
			Name  string `yaml:"name"`
			Rules []rule `yaml:"rules"`
		} `yaml:"groups"`
	}
	d := yaml.NewDecoder(strings.NewReader(deployed(t, "prometheus/alerts.yaml")))
	d.KnownFields(true)
	if err := d.Decode(&file); err != nil {
		t.Fatal(err)
	}
	if len(file.Groups) != 1 || len(file.Groups[0].Rules) == 0 {
		t.Fatalf("%d groups of alerts", len(file.Groups))
	}
	return file.Groups[0].Rules
}

// deployed reads a file of docs/deploy.
func deployed(t *testing.T, name string) string {
	t.Helper()
	return page(t, "docs/deploy/"+name)
}

func page(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root(t), filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestEveryAlertHasItsPlaceInTheRunbook(t *testing.T) {
	operations := page(t, "docs/operations.md")
	var sections []string
	for _, m := range regexp.MustCompile(`(?m)^### (Freshet\w+)$`).FindAllStringSubmatch(operations, -1) {
		sections = append(sections, m[1])
	}
	var names []string
	for _, r := range alerts(t) {
		names = append(names, r.Alert)
		if want := "https://github.com/freshet/freshet/blob/main/docs/operations.md#" + strings.ToLower(r.Alert); r.Annotations["runbook_url"] != want {
			t.Errorf("%s leads to %q, want %s", r.Alert, r.Annotations["runbook_url"], want)
		}
		if !slices.Contains([]string{"critical", "warning"}, r.Labels["severity"]) || r.Annotations["summary"] == "" {
			t.Errorf("%s has severity %q and summary %q", r.Alert, r.Labels["severity"], r.Annotations["summary"])
		}
	}
	if !slices.Equal(names, sections) {
		t.Errorf("alerts are\n%v\nand sections of the runbook\n%v", names, sections)
	}
}

// borrowed are metrics that come from the client library and from Prometheus itself; the script service.txtar of
// cmd/freshet asks a running flow for those of the library.
func borrowed() map[string]metric {
	return map[string]metric{"up": {}, "process_start_time_seconds": {}, "process_resident_memory_bytes": {}, "process_cpu_seconds_total": {},
		"process_open_fds": {}, "go_goroutines": {}, "ALERTS": {labels: []string{"alertname", "alertstate", "flow"}}}
}

func TestAlertsNameMetricsThatThereAre(t *testing.T) {
	made := metrics(t)
	for _, r := range alerts(t) {
		checkQuery(t, made, r.Alert, r.Expr, r.Annotations["summary"])
	}
}

func TestTheBoardNamesMetricsThatThereAre(t *testing.T) {
	type target struct{ Expr, LegendFormat string }
	var board struct {
		Panels []struct {
			Title   string
			Targets []target
		}
		Annotations struct {
			List []struct{ Name, Expr, TextFormat string }
		}
		Templating struct {
			List []struct{ Name, Definition string }
		}
	}
	if err := json.Unmarshal([]byte(deployed(t, "grafana/freshet.json")), &board); err != nil {
		t.Fatal(err)
	}
	made, shown := metrics(t), 0
	for _, p := range board.Panels {
		for _, query := range p.Targets {
			shown++
			checkQuery(t, made, p.Title, query.Expr, query.LegendFormat)
		}
	}
	for _, a := range board.Annotations.List {
		checkQuery(t, made, a.Name, a.Expr, a.TextFormat)
	}
	if shown < 20 {
		t.Errorf("the board shows %d queries", shown)
	}
	whole := deployed(t, "grafana/freshet.json")
	for name := range made {
		if !strings.Contains(whole, name) {
			t.Errorf("the board does not show %s", name)
		}
	}
	for _, v := range board.Templating.List {
		if v.Name == "flow" && v.Definition != "label_values(freshet_build_info, flow)" {
			t.Errorf("flows are found by %s", v.Definition)
		}
	}
}

// checkQuery holds a query, and the words that are filled in from what it finds, against the metrics that there are.
func checkQuery(t *testing.T, made map[string]metric, where, query, words string) {
	t.Helper()
	labels := []string{"job", "instance"} // every scrape adds them
	named := 0
	for _, m := range regexp.MustCompile(`\b((?:freshet|process|go)_[a-z_]+|up|ALERTS)\b(?:\{([^}]*)\})?`).FindAllStringSubmatch(query, -1) {
		found, ok := made[m[1]]
		if part := regexp.MustCompile(`_(bucket|sum|count)$`).FindString(m[1]); part != "" && !ok {
			found, ok = made[strings.TrimSuffix(m[1], part)]
			if ok = ok && found.histogram; part == "_bucket" {
				labels = append(labels, "le")
			}
		} else if found.histogram {
			t.Errorf("%s asks for %s, which is a histogram: ask for its buckets, sum or count", where, m[1])
		}
		if !ok {
			if found, ok = borrowed()[m[1]]; !ok {
				t.Errorf("%s asks for %s, and there is no such metric", where, m[1])
				continue
			}
		}
		named++
		labels = append(labels, found.labels...)
		for _, matched := range regexp.MustCompile(`(\w+)\s*(?:=~|!~|!=|=)`).FindAllStringSubmatch(m[2], -1) {
			if !slices.Contains(append(found.labels, "job", "instance"), matched[1]) {
				t.Errorf("%s asks %s for its %s, and it has only %v", where, m[1], matched[1], found.labels)
			}
		}
	}
	if named == 0 {
		t.Errorf("%s asks for nothing that is known: %s", where, query)
	}
	wanted := regexp.MustCompile(`\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}`).FindAllStringSubmatch(words, -1)
	for _, grouped := range regexp.MustCompile(`\b(?:by|on|ignoring|without|group_left)\s*\(([^)]*)\)`).FindAllStringSubmatch(query, -1) {
		for label := range strings.SplitSeq(grouped[1], ",") {
			wanted = append(wanted, []string{"", strings.TrimSpace(label)})
		}
	}
	for _, w := range wanted {
		if !slices.Contains(append(labels, "alertname"), w[1]) {
			t.Errorf("%s speaks of %s, and what it asks for has only %v", where, w[1], labels)
		}
	}
}

// TestManifestsAreStrictAndNameWhatIsServed reads every manifest, and holds what they name against the code: probes,
// ports, flags and verbs, exit codes.
func TestManifestsAreStrictAndNameWhatIsServed(t *testing.T) {
	routes, help := page(t, "stream/api/server.go"), page(t, "cmd/freshet/testdata/help.golden")
	port := regexp.MustCompile(`defaultPort\s+= (\d+)`).FindStringSubmatch(page(t, "cmd/freshet/serving.go"))
	if port == nil {
		t.Fatal("the default port is not where it was")
	}
	paths, flags, ports := regexp.MustCompile(`path: (/\w+), port`), regexp.MustCompile(`(?:^|[\s"\[,])--([a-z-]+)`), regexp.MustCompile(`(?i)(?:\bport|containerPort|EXPOSE|0\.0\.0\.0|127\.0\.0\.1)[: ]+(\d+)`)
	files, seen := os.DirFS(filepath.Join(root(t), "docs/deploy")), 0
	err := fs.WalkDir(files, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || filepath.Ext(name) == ".json" {
			return err
		}
		text := deployed(t, name)
		if filepath.Ext(name) == ".yaml" {
			readStrictly(t, name, text)
		}
		for _, m := range paths.FindAllStringSubmatch(text, -1) {
			seen++
			if !strings.Contains(routes, `"GET `+m[1]+`"`) {
				t.Errorf("%s: probe of %s, which nobody serves", name, m[1])
			}
		}
		for _, m := range ports.FindAllStringSubmatch(text, -1) {
			seen++
			if m[1] != port[1] {
				t.Errorf("%s: port %s, and flows are served at %s", name, m[1], port[1])
			}
		}
		for _, line := range commands(name, text) {
			for _, m := range flags.FindAllStringSubmatch(line, -1) {
				seen++
				if !strings.Contains(help, "--"+m[1]+" ") {
					t.Errorf("%s: no verb has --%s", name, m[1])
				}
			}
		}
		return nil
	})
	if err != nil || seen < 20 {
		t.Errorf("%d paths, ports and flags seen, %v", seen, err)
	}
}

// commands are the lines of a manifest that say how freshet is started or asked.
func commands(name, text string) []string {
	var lines []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "#"):
		case strings.HasSuffix(name, ".service") && strings.HasPrefix(line, "ExecStart="),
			strings.HasSuffix(name, "statefulset.yaml"),
			filepath.Base(name) == "Containerfile" && (strings.HasPrefix(line, "CMD") || strings.HasPrefix(line, "HEALTHCHECK") && strings.Contains(line, "CMD")):
			_, after, ok := strings.Cut(line, "CMD")
			if !ok {
				after = line
			}
			lines = append(lines, after)
		}
	}
	return lines
}

// readStrictly reads every document of a file; a key that stands twice is an error.
func readStrictly(t *testing.T, name, text string) {
	t.Helper()
	d := yaml.NewDecoder(bytes.NewReader([]byte(text)))
	for n := 0; ; n++ {
		var document map[string]any
		if err := d.Decode(&document); errors.Is(err, io.EOF) && n > 0 {
			return
		} else if err != nil || len(document) == 0 {
			t.Errorf("%s, document %d: %v", name, n+1, err)
			return
		}
	}
}

func TestTheUnitLeavesAloneWhatNeedsAPerson(t *testing.T) {
	unit, operations := deployed(t, "freshet@.service"), page(t, "docs/operations.md")
	prevented := regexp.MustCompile(`(?m)^RestartPreventExitStatus=(.*)$`).FindStringSubmatch(unit)
	told := regexp.MustCompile(`should not after ([\d, and]+):`).FindStringSubmatch(operations)
	if prevented == nil || told == nil {
		t.Fatal("the unit or the page says nothing of exit codes after which nothing is started")
	}
	number := regexp.MustCompile(`\d+`)
	if got, want := number.FindAllString(prevented[1], -1), number.FindAllString(told[1], -1); !slices.Equal(got, want) {
		t.Errorf("the unit does not start again after %v, the page says %v", got, want)
	}
}
