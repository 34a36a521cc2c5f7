package rest

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// longestWait bounds a Retry-After, so that adding it to a time cannot overflow.
const longestWait = 365 * 24 * time.Hour

// retryAfter returns how long the server wants to be left alone, or 0 when it does not say so in a
// way that can be kept: negative, past and unreadable values count as absent. retry-after-ms is the
// finer one and wins.
func retryAfter(h http.Header, now time.Time) time.Duration {
	if wait, ok := span(h.Get("retry-after-ms"), time.Millisecond); ok {
		return wait
	}
	value := h.Get("Retry-After")
	if wait, ok := span(value, time.Second); ok {
		return wait
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	// Against the server's own clock where it tells it: ours may differ by more than the wait.
	if server, err := http.ParseTime(h.Get("Date")); err == nil {
		now = server
	}
	return min(max(0, at.Sub(now)), longestWait)
}

// span reads a whole or decimal number of units. It reports false for anything that is not a positive
// number.
func span(value string, unit time.Duration) (time.Duration, bool) {
	value = strings.TrimSpace(value)
	if strings.Trim(value, "0123456789.") != "" {
		return 0, false // ParseFloat would take "Inf", "1e9" and "0x1p4" as well
	}
	n, err := strconv.ParseFloat(value, 64)
	if err != nil || !(n > 0) {
		return 0, false
	}
	if n >= longestWait.Seconds()*float64(time.Second/unit) {
		return longestWait, true
	}
	return time.Duration(n * float64(unit)), true
}
