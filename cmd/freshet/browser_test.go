package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
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
	"github.com/chromedp/chromedp/kb"

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

// TestConsoleInABrowser goes through the console as a person does, by clicks and keys, while the flow runs.
func TestConsoleInABrowser(t *testing.T) {
	d := sitDown(t)
	d.open("/")
	d.until(`document.getElementById("feed").textContent === "live"`)
	d.until(`document.querySelector('[data-text="flow.state"]').textContent === "ready"`)
	d.until(`document.querySelector('[data-text="flow.letters"]').textContent === "2"`)

	d.edit("billing.md", ".", ". Invoices can be paid in cowries.")
	d.until(`document.querySelector('[data-part="changes"]').textContent.includes("docs/billing.md")`)
	d.until(`!["–", "0/s"].includes(document.querySelector('[data-text="source.docs.rate"]').textContent)`)
	d.picture("console-freshness")

	d.graph()
	d.searchAndTrace()
	d.deadLetters()
	d.models()
	d.keyboard()
	d.narrow()
	d.outage()
}

func (d *desk) graph() {
	d.click(`a[href="/flow"]`)
	d.until(`document.querySelectorAll("svg.wide a.node").length === 6 && document.getElementById("feed").textContent === "live"`)
	d.until(`document.querySelector('svg.wide [data-text="step.vectors.calls"]').textContent === document.querySelector('td [data-text="step.vectors.calls"]').textContent`)
	d.picture("console-flow")
	d.click(`svg.wide a[href="#step.vectors"]`)
	d.until(`document.querySelector("tr:target").id === "step.vectors"`)
}

func (d *desk) searchAndTrace() {
	d.click(`a[href="/search"]`)
	d.until(`document.activeElement.id === "text"`)
	d.do(chromedp.SendKeys("#text", "how do I rotate credentials"+kb.Enter))
	d.until(`document.querySelectorAll(".hits li").length === 10`)
	if first := d.ask(`document.querySelector(".hits .where a").textContent`); !strings.HasPrefix(first, "credentials.md") {
		d.t.Errorf("the first hit is %q", first)
	}
	d.picture("console-search")
	d.click(".hits li:first-child .where a")
	d.until(`document.querySelector(".subject").textContent.endsWith("was made of")`)
	d.click(".leg.source a")
	d.until(`document.querySelector(".subject").textContent === "What was made of docs/credentials.md"`)
	d.until(`document.querySelectorAll(".leg.sink").length === 2`)
	if why := d.ask(`document.querySelector(".leg.sink td[data-label=Why]").textContent`); why != "its source row was new" {
		d.t.Errorf("the reason is %q", why)
	}
	d.picture("console-lineage")
	// A row that an edit has not touched says so.
	d.open("/lineage?key=docs/billing.md")
	d.until(`[...document.querySelectorAll("td[data-label=Why]")].some((cell) => cell.textContent.endsWith("the newest change left it as it was"))`)
	// Whoever comes back finds the hits still there.
	d.do(chromedp.Evaluate[chromedp.Void](`void history.go(-3)`))
	d.until(`location.pathname === "/search" && document.querySelectorAll(".hits li").length === 10`)
}

func (d *desk) deadLetters() {
	d.click(`a[href="/letters"]`)
	d.until(`document.querySelectorAll(".group tbody tr").length === 2`)
	if buttons := d.ask(`document.querySelectorAll("main button").length`); buttons != "0" {
		d.t.Errorf("%s buttons before anybody signed in", buttons)
	}
	d.click(`main a[href="/login?next=/letters"]`)
	d.until(`location.pathname === "/login"`)
	d.do(chromedp.SendKeys("#token", "a guess that is wrong"+kb.Enter))
	d.until(`document.querySelector(".fault").textContent.includes("not the flow's token")`)
	k, ok := readControl(filepath.Join(d.dir, ".freshet", "handbook"))
	if !ok {
		d.t.Fatal("there is no control file")
	}
	d.do(chromedp.SendKeys("#token", k.Token+kb.Enter))
	d.until(`location.pathname === "/letters" && document.querySelectorAll("main button").length > 0`)
	if cookies := d.ask("document.cookie"); cookies != "" {
		d.t.Errorf("scripts see the cookie %q", cookies)
	}
	d.picture("console-letters")

	// One is tried again, once the model takes it.
	d.mended.Store(true)
	d.click(`button[aria-label="Retry incidents.md"]`)
	d.until(`document.querySelector(".notice").textContent.startsWith("1 row is tried again")`)
	d.until(`document.querySelector('[data-text="flow.letters"]').textContent === "1" && document.querySelectorAll(".group tbody tr").length === 1 ||
		!document.querySelector("[data-count]").hidden`)
	// The other is looked at, nearly discarded, and then discarded.
	d.open("/letters")
	d.until(`document.querySelectorAll(".group tbody tr").length === 1`)
	d.click(`.group tbody a`)
	d.until(`document.querySelector("h1").textContent === "Dead letter" && document.querySelector("main").textContent.includes("not accepted")`)
	d.click(`.second`)
	d.until(`document.querySelector("h1").textContent === "Discard dead letters?"`)
	d.click(`a.second`)
	d.until(`document.querySelectorAll(".group tbody tr").length === 1`)
	d.click(`button[aria-label="Discard time-off.md"]`)
	d.click(`.danger`)
	d.until(`document.querySelector(".notice").textContent.startsWith("1 dead letter was discarded")`)
	d.until(`document.querySelector('[data-text="flow.letters"]').textContent === "0"`)
	// A page that nobody sees listens to nothing, and catches up when it is seen again.
	d.until(`source !== undefined && source.readyState === EventSource.OPEN`)
	d.do(chromedp.Evaluate[chromedp.Void](`Object.defineProperty(document, "hidden", { value: true, configurable: true }); document.dispatchEvent(new Event("visibilitychange")); void (window.left = source === undefined)`))
	d.until(`window.left`)
	d.do(chromedp.Evaluate[chromedp.Void](`delete document.hidden; document.dispatchEvent(new Event("visibilitychange")); void 0`))
	d.until(`source !== undefined && source.readyState === EventSource.OPEN`)
}

func (d *desk) models() {
	d.click(`a[href="/models"]`)
	d.until(`[...document.querySelectorAll("tbody th")].some((cell) => cell.textContent.includes("tagger"))`)
	d.click(`main button`)
	d.until(`document.querySelector(".notice").textContent === "The models are asked again."`)
	d.picture("console-models")
}

// keyboard uses no pointer: the link over the head, the keys that lead to screens, and the tabs.
func (d *desk) keyboard() {
	d.open("/")
	d.until(`document.getElementById("feed").textContent === "live"`)
	d.do(chromedp.KeyEvent(kb.Tab))
	d.until(`document.activeElement.className === "skip" && document.activeElement.getBoundingClientRect().top >= 0`)
	d.do(chromedp.KeyEvent(kb.Enter))
	d.until(`document.activeElement.id === "main"`)
	d.do(chromedp.KeyEvent("g"), chromedp.KeyEvent("g"))
	d.until(`location.pathname === "/flow" && document.getElementById("feed").textContent === "live"`)
	d.do(chromedp.KeyEvent("/"))
	d.until(`location.pathname === "/search" && document.activeElement.id === "text"`)
	d.open("/models")
	for range 20 {
		d.do(chromedp.KeyEvent(kb.Tab))
		if d.ask(`document.activeElement.getAttribute("href")`) == "/letters" {
			break
		}
	}
	if outline := d.ask(`getComputedStyle(document.activeElement).outlineStyle`); outline != "solid" {
		d.t.Errorf("what has the focus is outlined %q", outline)
	}
	d.do(chromedp.KeyEvent(kb.Enter))
	d.until(`location.pathname === "/letters"`)
}

// narrow looks at every screen on a small telephone: nothing lies beside the edge.
func (d *desk) narrow() {
	d.do(chromedp.EmulateViewport(360, 740, chromedp.EmulateScale(1)))
	for _, path := range []string{"/", "/flow", "/search", "/lineage?key=docs/billing.md", "/letters", "/models", "/login"} {
		d.open(path)
		if wide := d.ask(`document.documentElement.scrollWidth`); wide != "360" {
			d.t.Errorf("%s is %s wide, the screen 360", path, wide)
		}
		if path == "/" {
			d.until(`document.getElementById("feed").textContent === "live"`)
			d.picture("console-narrow")
		}
	}
	d.open("/flow")
	if tall := d.ask(`getComputedStyle(document.querySelector("svg.tall")).display`); tall != "block" {
		d.t.Errorf("the graph for narrow screens is shown as %q", tall)
	}
	d.do(chromedp.ResetViewport())
}

// outage kills the flow: figures stay and say how old they are, and go on with the next run.
func (d *desk) outage() {
	d.open("/")
	d.until(`document.getElementById("feed").textContent === "live"`)
	rows := d.ask(`document.querySelector('[data-text="sink.index.rows"]').textContent`)
	d.do(chromedp.Evaluate[chromedp.Void](`void (window.before = true)`))
	d.stop()
	d.until(`document.documentElement.classList.contains("stale") && document.getElementById("feed").textContent.startsWith("not reachable since")`)
	if now := d.ask(`document.querySelector('[data-text="sink.index.rows"]').textContent`); now != rows || now == "" {
		d.t.Errorf("%q rows are shown while nobody answers, were %q", now, rows)
	}
	d.run(d.addr)
	d.until(`!window.before && document.getElementById("feed").textContent === "live"`)
	if now := d.ask(`document.querySelector('[data-text="sink.index.rows"]').textContent`); now != rows {
		d.t.Errorf("the next run shows %s rows, want %s", now, rows)
	}
	if errors := d.ask(fmt.Sprintf(`performance.getEntriesByType("resource").filter((r) => !r.name.startsWith("http://%s/")).length`, d.addr)); errors != "0" {
		d.t.Errorf("%s parts of the page come from elsewhere", errors)
	}
}
