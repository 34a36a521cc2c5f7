package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/freshet/freshet/internal/testenv"
)

// desk is a person at a browser, in front of a flow that runs: the demo's, with a second way to a model that
// refuses some texts until it is mended.
type desk struct {
	t      *testing.T
	page   func(func(ctx context.Context) error) error // does something with the browser's page
	dir    string
	model  *httptest.Server
	mended atomic.Bool
	flow   *exec.Cmd
	addr   string
}

// topics is the second way: each document's path, embedded by a model server, into a change log.
const topics = `
  topics:   {from: docs, embed: {model: tagger, text: row.path}}

sinks:
  tags: {from: topics, jsonl: {path: ./tags.jsonl}, columns: [path]}
`

func sitDown(t *testing.T) *desk {
	t.Helper()
	if testing.Short() {
		t.Skip("a browser takes seconds")
	}
	path := testenv.Chromium(t)
	d := &desk{t: t, dir: filepath.Join(t.TempDir(), "demo")}
	d.serveModel()
	if err := layDemo(d.dir); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(d.file())
	if err != nil {
		t.Fatal(err)
	}
	flow := strings.Replace(string(text), "\nsinks:\n", topics, 1)
	flow = strings.Replace(flow, "\nsources:\n", "\nmodels: {tagger: {openai: {base_url: \""+d.model.URL+"/v1\", model: small, api_key: "+modelKey+
		"}, dims: 64, price: {input_per_mtok: 0.02}}}\n\nsources:\n", 1)
	if err := os.WriteFile(d.file(), []byte(flow), 0o644); err != nil {
		t.Fatal(err)
	}
	d.run("127.0.0.1:0")

	options := append([]chromedp.ExecAllocatorOption{}, chromedp.DefaultExecAllocatorOptions[:]...)
	options = append(options, chromedp.ExecPath(path), chromedp.WindowSize(1200, 800), chromedp.Flag("force-prefers-reduced-motion", true))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	bounded, giveUp := context.WithTimeout(t.Context(), 90*time.Second)
	t.Cleanup(giveUp)
	allocator, endAllocator := chromedp.NewExecAllocator(bounded, options...)
	t.Cleanup(endAllocator)
	page, endPage := chromedp.NewContext(allocator)
	t.Cleanup(endPage)
	d.page = func(do func(context.Context) error) error { return do(page) }
	return d
}

func (d *desk) file() string { return filepath.Join(d.dir, demoFlow) }

// serveModel answers as the other model server does, but refuses two documents until it is mended.
func (d *desk) serveModel() {
	inner := newModelServer()
	d.t.Cleanup(inner.Close)
	d.model = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		if !d.mended.Load() && (bytes.Contains(body, []byte("incidents.md")) || bytes.Contains(body, []byte("time-off.md"))) {
			body = []byte(`{"input": ["POISON"]}`)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		inner.Config.Handler.ServeHTTP(w, r)
	}))
	d.t.Cleanup(d.model.Close)
}

// run starts the flow in a process of its own.
func (d *desk) run(addr string) {
	d.t.Helper()
	self, err := os.Executable()
	if err != nil {
		d.t.Fatal(err)
	}
	program := filepath.Join(filepath.Dir(d.dir), "freshet")
	if _, err := os.Lstat(program); err != nil {
		if err := os.Symlink(self, program); err != nil {
			d.t.Fatal(err)
		}
	}
	d.flow = exec.Command(program, "run", d.file(), "--addr", addr, "--json")
	d.flow.Stderr = os.Stderr
	out, err := d.flow.StdoutPipe()
	if err != nil {
		d.t.Fatal(err)
	}
	if err := d.flow.Start(); err != nil {
		d.t.Fatal(err)
	}
	process := d.flow.Process
	d.t.Cleanup(func() { _ = process.Kill() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if _, rest, ok := strings.Cut(line, `"addr":"`); err == nil && ok {
		d.addr, _, _ = strings.Cut(rest, `"`)
		return
	}
	d.t.Fatalf("the first line is %q, %v", line, err)
}

// stop kills the flow and waits for its end.
func (d *desk) stop() {
	d.t.Helper()
	if err := d.flow.Process.Kill(); err != nil {
		d.t.Fatal(err)
	}
	_ = d.flow.Wait() // it says that it was killed
}

func (d *desk) do(steps ...chromedp.Action[chromedp.Void]) {
	d.t.Helper()
	if err := d.page(func(ctx context.Context) error { return chromedp.Do(ctx, steps...) }); err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) open(path string) {
	d.t.Helper()
	d.do(chromedp.Navigate("http://" + d.addr + path))
}

// click clicks on an element, again where the page was being replaced under the pointer.
func (d *desk) click(selector string) {
	d.t.Helper()
	err := d.page(func(ctx context.Context) error {
		for {
			err := chromedp.Do(ctx, chromedp.Click(selector))
			if err == nil || ctx.Err() != nil || !strings.Contains(err.Error(), "node") {
				return err
			}
		}
	})
	if err != nil {
		d.t.Fatalf("click %s: %v", selector, err)
	}
}

// until waits until a condition in JavaScript holds, over pages that come and go.
func (d *desk) until(condition string) {
	d.t.Helper()
	// requestAnimationFrame would stand still in a page that is not shown.
	wait := `new Promise((done) => { const look = () => { let ok = false; try { ok = Boolean(` + condition + `); } catch {} ok ? done(true) : setTimeout(look, 20); }; look(); })`
	err := d.page(func(ctx context.Context) error {
		for {
			ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool](wait, chromedp.EvalAwaitPromise))
			if ok && err == nil || ctx.Err() != nil {
				return err
			}
		}
	})
	if err != nil {
		d.t.Fatalf("it never comes that %s: %v", condition, err)
	}
}

func (d *desk) ask(expression string) string {
	d.t.Helper()
	value := ""
	err := d.page(func(ctx context.Context) (err error) {
		value, err = chromedp.Run(ctx, chromedp.Evaluate[string]("String("+expression+")"))
		return err
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return value
}

func (d *desk) edit(name, old, now string) {
	d.t.Helper()
	path := filepath.Join(d.dir, "handbook", name)
	text, err := os.ReadFile(path)
	if err != nil {
		d.t.Fatal(err)
	}
	changed := strings.Replace(string(text), old, now, 1)
	if err := os.WriteFile(path, []byte(changed), 0o644); err != nil {
		d.t.Fatal(err)
	}
}

// pictureMax is how large a picture in the documents may be, in bytes.
const pictureMax = 150 << 10

// picture keeps what the page looks like for the documents, when they are to be renewed.
func (d *desk) picture(name string) {
	d.t.Helper()
	var image []byte
	err := d.page(func(ctx context.Context) (err error) {
		image, err = chromedp.Run(ctx, chromedp.CaptureScreenshot())
		return err
	})
	if err != nil {
		d.t.Fatal(err)
	}
	if len(image) > pictureMax {
		d.t.Errorf("the picture %s has %d bytes", name, len(image))
	}
	if *update {
		if err := os.WriteFile(filepath.Join("..", "..", "docs", "img", name+".png"), image, 0o644); err != nil {
			d.t.Fatal(err)
		}
	}
}
