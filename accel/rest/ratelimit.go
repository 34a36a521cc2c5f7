package rest

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/freshet/freshet/backpressure"
)

// limitHeader is a limit under the names that a family of servers gives it.
type limitHeader struct {
	dimension               backpressure.Dimension
	limit, remaining, reset string
}

// limitHeaders are the names in use: those of OpenAI, which many servers share, and those of Anthropic.
func limitHeaders() []limitHeader {
	one := func(d backpressure.Dimension, format, what string) limitHeader {
		name := func(part string) string {
			return strings.NewReplacer("PART", part, "WHAT", what).Replace(format)
		}
		return limitHeader{d, name("limit"), name("remaining"), name("reset")}
	}
	const shared, anthropic = "x-ratelimit-PART-WHAT", "anthropic-ratelimit-WHAT-PART"
	return []limitHeader{
		one(backpressure.Requests, shared, "requests"),
		one(backpressure.Tokens, shared, "tokens"),
		one(backpressure.Requests, anthropic, "requests"),
		one(backpressure.InputTokens, anthropic, "input-tokens"),
		one(backpressure.OutputTokens, anthropic, "output-tokens"),
	}
}

// announced reads the limits that a server tells beside a reply. A limit is taken only where what remains
// of it is told as well.
func announced(h http.Header, now time.Time) []backpressure.Announcement {
	var all []backpressure.Announcement
	for _, names := range limitHeaders() {
		limit, ok := count(h.Get(names.limit))
		remaining, told := count(h.Get(names.remaining))
		if !ok || !told || limit == 0 {
			continue
		}
		all = append(all, backpressure.Announcement{Dimension: names.dimension, Limit: limit, Remaining: min(remaining, limit),
			Reset: reset(h.Get(names.reset), now)})
	}
	return all
}

// count reads a number of requests or tokens.
func count(value string) (int64, bool) {
	n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
	return n, err == nil && n >= 0
}

// reset reads when a limit is whole again: a Go duration (6m0s), seconds, or a time. What cannot be read is
// not told.
func reset(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if d, ok := span(value, time.Second); ok {
		return d
	}
	if d, err := time.ParseDuration(value); err == nil {
		return min(max(0, d), longestWait)
	}
	if at, err := time.Parse(time.RFC3339, value); err == nil {
		return min(max(0, at.Sub(now)), longestWait)
	}
	return 0
}
