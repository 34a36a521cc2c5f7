package console

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/freshet/freshet/stream/engine"
)

// Advice is what a person is told about a reason why a flow is not ready.
type Advice struct {
	Code  string
	Grave bool   // it does not pass by itself
	Title string // what it means
	Text  string // what the flow says of it
	Do    string // what helps
}

// Advise puts the reasons of a sample into words, the grave ones first. Of a model that does not answer it says what helps against
// its own reason.
func Advise(s Sample) []Advice {
	all := advise(s.Reasons)
	for i, a := range all {
		if a.Code != "model_unavailable" {
			continue
		}
		for name, m := range s.Status.Models {
			if m.Reason != nil && strings.HasPrefix(a.Text, "model "+name+": ") {
				_, all[i].Do = hindrance(*m.Reason)
			}
		}
	}
	return all
}

func advise(reasons []engine.Reason) []Advice {
	grave, passing := []Advice{}, []Advice{}
	for _, r := range reasons {
		a := Advice{Code: r.Code, Text: r.Message}
		switch r.Code {
		case "catching_up":
			a.Title, a.Do = "Catching up", "Nothing is to be done. Searches answer from what is there already."
		case "disk_full":
			a.Grave, a.Title = true, "The disk is nearly full"
			a.Do = "Free some space, or lower limits.disk_free. Nothing is lost: reading goes on by itself once there is room."
		case "intake_paused":
			a.Grave, a.Title = true, "The flow is paused"
			a.Do = "`freshet resume` lets it go on where it was. What its sources have waits there meanwhile."
		case "model_unavailable":
			a.Grave, a.Title = true, "A model does not answer"
			a.Do = "Look at its reason under Models. What was answered is kept; calls that wait are made once it answers."
		case "paused":
			a.Grave, a.Title = true, "The day's budget of a model is spent"
			a.Do = "Raise its budget in the flow file, or wait for the next day (UTC). Rows that need no call go on."
		case "sink_unavailable":
			a.Grave, a.Title = true, "A sink does not take rows"
			a.Do = "See that its server runs and can be reached. Its rows wait here, in order, and the other sinks go on."
		case "source_unavailable":
			a.Grave, a.Title = true, "A source cannot be read"
			a.Do = "See that its server runs and can be reached; `freshet doctor` names what is missing. Reading goes on where it was."
		default:
			a.Grave, a.Title, a.Do = true, strings.ReplaceAll(r.Code, "_", " "), "`freshet doctor` looks for the cause."
		}
		if a.Grave {
			grave = append(grave, a)
		} else {
			passing = append(passing, a)
		}
	}
	return append(grave, passing...)
}

// hindrance puts the reason of a model into words: what it means, and what helps.
func hindrance(reason string) (title, do string) {
	switch reason {
	case "auth":
		return "refuses the key", "Set the right key in the environment and start the flow again, or `freshet resume` if the server was at fault."
	case "quota":
		return "the account has no quota left", "Top up the account, then `freshet resume`."
	case "unknown_model":
		return "the server does not know this model", "Correct its name in the flow file, or load the model on the server and `freshet resume`."
	case "model_changed":
		return "answers differently than before", "Another model answers under its name. See `freshet plan`: its rows have to be made again, or the old model put back."
	case "budget":
		return "the day's budget is spent", "Raise budget.usd_per_day in the flow file, or wait for the next day (UTC)."
	case "retry_after":
		return "asked us to wait", "Nothing is to be done: it is asked again in time."
	case "errors":
		return "fails", "See the message. It is tried again by itself, with growing pauses; `freshet resume` tries at once."
	}
	return strings.ReplaceAll(reason, "_", " "), "See the message; `freshet resume` tries at once."
}

// count writes a number in groups of three digits.
func count(n int64) string {
	digits := strconv.FormatInt(n, 10)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 && digits[i-1] != '-' {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}

// perSecond writes a rate; a small one is not written as none.
func perSecond(rate float64) string {
	switch {
	case rate == 0:
		return "0/s"
	case rate < 0.1:
		return "<0.1/s"
	case rate < 10:
		return strconv.FormatFloat(rate, 'f', 1, 64) + "/s"
	}
	return count(int64(rate+0.5)) + "/s"
}

// span writes a time in milliseconds as people say it.
func span(ms float64) string {
	switch {
	case ms <= 0:
		return "–"
	case ms < 10:
		return strconv.FormatFloat(ms, 'f', 1, 64) + " ms"
	case ms < 1000:
		return strconv.FormatFloat(ms, 'f', 0, 64) + " ms"
	case ms < 60_000:
		return strconv.FormatFloat(ms/1000, 'f', 1, 64) + " s"
	}
	return long(time.Duration(ms * float64(time.Millisecond)))
}

// Lasting writes a duration as people say it: a short one by what is to be felt of it, a long one by its two greatest units.
func Lasting(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return "less than 1 ms"
	case d < time.Second:
		return strconv.FormatInt(d.Milliseconds(), 10) + " ms"
	case d < 10*time.Second:
		return strings.TrimSuffix(strconv.FormatFloat(d.Seconds(), 'f', 1, 64), ".0") + " s"
	}
	return long(d)
}

// long writes a duration by its two greatest units; the lesser one is left out where it is none.
func long(d time.Duration) string {
	d = d.Round(time.Second)
	days, hours, minutes, seconds := d/(24*time.Hour), d/time.Hour%24, d/time.Minute%60, d/time.Second%60
	two := func(n time.Duration, unit string, m time.Duration, lesser string) string {
		if m == 0 {
			return fmt.Sprintf("%d %s", n, unit)
		}
		return fmt.Sprintf("%d %s %d %s", n, unit, m, lesser)
	}
	switch {
	case days > 0:
		return two(days, "d", hours, "h")
	case hours > 0:
		return two(hours, "h", minutes, "min")
	case minutes > 0:
		return two(minutes, "min", seconds, "s")
	}
	return fmt.Sprintf("%d s", seconds)
}

// money writes US dollars; small sums are not written as none.
func money(usd float64) string {
	switch {
	case usd == 0:
		return "$0"
	case usd < 0.000001:
		return "<$0.000001"
	case usd < 0.01:
		return fmt.Sprintf("$%.6f", usd)
	}
	return fmt.Sprintf("$%.2f", usd)
}

// today is what a model has cost since midnight, and what it may.
func today(m engine.ModelStatus) string {
	if m.USDPerDay != nil {
		return money(m.USDToday) + " of " + money(*m.USDPerDay)
	}
	return money(m.USDToday)
}

// Counted writes a number with its noun.
func Counted(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(n) + " " + many
}
