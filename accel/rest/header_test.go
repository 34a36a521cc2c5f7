package rest

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/backpressure"
)

func TestRetryAfterInEveryForm(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	date := func(d time.Duration) string { return now.Add(d).Format(http.TimeFormat) }
	tests := map[string]struct {
		header http.Header
		want   time.Duration
	}{
		"none":                                {http.Header{}, 0},
		"whole seconds":                       {http.Header{"Retry-After": {"30"}}, 30 * time.Second},
		"decimal seconds":                     {http.Header{"Retry-After": {" 1.6 "}}, 1600 * time.Millisecond},
		"a date":                              {http.Header{"Retry-After": {date(time.Minute)}}, time.Minute},
		"a date by the server's clock":        {http.Header{"Retry-After": {date(time.Minute)}, "Date": {date(50 * time.Second)}}, 10 * time.Second},
		"milliseconds":                        {http.Header{"Retry-After-Ms": {"700"}}, 700 * time.Millisecond},
		"milliseconds win":                    {http.Header{"Retry-After-Ms": {"0.5"}, "Retry-After": {"60"}}, 500 * time.Microsecond},
		"unreadable milliseconds do not":      {http.Header{"Retry-After-Ms": {"soon"}, "Retry-After": {"60"}}, time.Minute},
		"negative milliseconds do not":        {http.Header{"Retry-After-Ms": {"-1"}, "Retry-After": {"60"}}, time.Minute},
		"a date in the past":                  {http.Header{"Retry-After": {"Wed, 21 Oct 2015 07:28:00 GMT"}}, 0},
		"a negative number":                   {http.Header{"Retry-After": {"-5"}}, 0},
		"zero":                                {http.Header{"Retry-After": {"0"}}, 0},
		"words":                               {http.Header{"Retry-After": {"soon"}}, 0},
		"infinity":                            {http.Header{"Retry-After": {"Inf"}}, 0},
		"a hexadecimal":                       {http.Header{"Retry-After": {"0x10"}}, 0},
		"two numbers":                         {http.Header{"Retry-After": {"1.2.3"}}, 0},
		"more than a duration holds":          {http.Header{"Retry-After": {strings.Repeat("9", 300)}}, longestWait},
		"more milliseconds than one holds":    {http.Header{"Retry-After-Ms": {"99999999999999999999"}}, longestWait},
		"a date beyond what a duration holds": {http.Header{"Retry-After": {"Fri, 31 Dec 9999 23:59:59 GMT"}}, longestWait},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := retryAfter(test.header, now); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func FuzzRetryAfter(f *testing.F) {
	f.Add("1.5", "", "")
	f.Add("Wed, 21 Oct 2015 07:28:00 GMT", "700", "Wed, 21 Oct 2015 07:27:00 GMT")
	f.Fuzz(func(t *testing.T, after, ms, date string) {
		h := http.Header{"Retry-After": {after}, "Retry-After-Ms": {ms}, "Date": {date}}
		if got := retryAfter(h, time.Unix(0, 0)); got < 0 || got > longestWait {
			t.Errorf("%q, %q, %q: wait %v", after, ms, date, got)
		}
	})
}

func TestAnnouncedLimitsAreReadInEveryFamily(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	h := func(pairs ...string) http.Header {
		header := http.Header{}
		for i := 0; i < len(pairs); i += 2 {
			header.Set(pairs[i], pairs[i+1])
		}
		return header
	}
	shared := func(what, limit, remaining, reset string) http.Header {
		return h("x-ratelimit-limit-"+what, limit, "x-ratelimit-remaining-"+what, remaining, "x-ratelimit-reset-"+what, reset)
	}
	tests := map[string]struct {
		header http.Header
		want   []backpressure.Announcement
	}{
		"none":                    {h(), nil},
		"requests":                {shared("requests", "600", "599", "100ms"), []backpressure.Announcement{{Dimension: backpressure.Requests, Limit: 600, Remaining: 599, Reset: 100 * time.Millisecond}}},
		"tokens with minutes":     {shared("tokens", "1000", "0", "6m0s"), []backpressure.Announcement{{Dimension: backpressure.Tokens, Limit: 1000, Remaining: 0, Reset: 6 * time.Minute}}},
		"a reset in seconds":      {shared("requests", "10", "5", "1.5"), []backpressure.Announcement{{Dimension: backpressure.Requests, Limit: 10, Remaining: 5, Reset: 1500 * time.Millisecond}}},
		"a reset that is no one":  {shared("requests", "10", "5", "soon"), []backpressure.Announcement{{Dimension: backpressure.Requests, Limit: 10, Remaining: 5}}},
		"more left than allowed":  {shared("requests", "10", "50", ""), []backpressure.Announcement{{Dimension: backpressure.Requests, Limit: 10, Remaining: 10}}},
		"no word of what is left": {h("x-ratelimit-limit-requests", "10"), nil},
		"negative":                {shared("requests", "-10", "5", "1s"), nil},
		"Anthropic": {h("anthropic-ratelimit-input-tokens-limit", "50000", "anthropic-ratelimit-input-tokens-remaining", "40000",
			"anthropic-ratelimit-input-tokens-reset", "2026-03-01T12:00:12Z"),
			[]backpressure.Announcement{{Dimension: backpressure.InputTokens, Limit: 50000, Remaining: 40000, Reset: 12 * time.Second}}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, announced(test.header, now)); diff != "" {
				t.Errorf("announced (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAComplaintThatNamesItsInputsIsHeard(t *testing.T) {
	for said, want := range map[string][]int{
		"input[3] is too long":                           {3},
		"'$.input[12]' is invalid, and input[7] as well": {12, 7},
		"inputs.4: too many tokens":                      {4},
		"the input is too long":                          nil,
		"input[99999999999999999999]":                    nil,
	} {
		if diff := cmp.Diff(want, rowsIn(said)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", said, diff)
		}
	}
}
