package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

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
	d.until(`document.querySelector('svg.wide [data-text="step.vectors.asks"]').textContent.startsWith(document.querySelector('td [data-text="step.vectors.calls"]').textContent + " call")`)
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
