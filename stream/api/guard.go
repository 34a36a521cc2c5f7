package api

import (
	"crypto/subtle"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// guard is what every request passes first.
func (s *Server) guard(next http.Handler) http.Handler {
	origin := http.NewCrossOriginProtection()
	origin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		s.answer(w, nil, &Fault{Code: "forbidden", Message: "the request comes from another origin", Hint: "ask from the flow's own page, or from a program"})
	}))
	inner := origin.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.open.Add(1)
		defer s.open.Done()
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		h.Set("Freshet-Flow", s.o.Flow)
		if !s.o.Remote && !loopbackHost(r.Host) {
			s.answer(w, nil, &Fault{Code: "forbidden", Message: "the request names a host that is not this machine",
				Hint: "name localhost or 127.0.0.1"})
			return
		}
		token, carried := tokenOf(r)
		switch {
		case carried && s.holds(token), !carried && (!s.o.Remote || public(r) || s.keeper.Signed(r)):
			inner.ServeHTTP(w, r)
		case !carried && visits(r):
			http.Redirect(w, r, "/login?next="+url.QueryEscape(r.URL.Path), http.StatusSeeOther)
		default:
			if r.URL.Path != "/feed" { // a page that is signed out asks for the token in its own form
				h.Set("WWW-Authenticate", `Basic realm="freshet", charset="UTF-8"`)
			}
			s.answer(w, nil, &Fault{Code: "unauthorized", Message: "the request does not carry the flow's token",
				Hint: "send it as `Authorization: Bearer …`, or as the password of basic authentication"})
		}
	})
}

// public is what everybody may ask: whether the process lives, and the form that asks for the token with what it
// is drawn with.
func public(r *http.Request) bool {
	return r.URL.Path == "/livez" || r.URL.Path == "/login" || strings.HasPrefix(r.URL.Path, "/assets/")
}

// visits reports whether a request is that of a person who opens a page.
func visits(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/html")
}

// loopbackHost reports whether a Host header names this machine, and not by a name that anyone else can
// let point to it.
func loopbackHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if ip := net.ParseIP(host); ip != nil {
		return ip.IsLoopback()
	}
	return strings.EqualFold(host, "localhost")
}

// tokenOf is the token of a request, and whether it carries one.
func tokenOf(r *http.Request) (string, bool) {
	if _, password, ok := r.BasicAuth(); ok {
		return password, true
	}
	if value := r.Header.Get("Authorization"); value != "" {
		scheme, token, _ := strings.Cut(value, " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return "", true
		}
		return strings.TrimSpace(token), true
	}
	return "", false
}

func (s *Server) holds(token string) bool {
	return s.o.Token != "" && subtle.ConstantTimeCompare([]byte(token), []byte(s.o.Token)) == 1
}

// authorized answers a request that may change nothing, for lack of the token. The guard has refused
// wrong ones.
func (s *Server) authorized(w http.ResponseWriter, r *http.Request) bool {
	if token, carried := tokenOf(r); carried && s.holds(token) {
		return true
	}
	s.answer(w, nil, &Fault{Code: "unauthorized", Message: "this changes the flow, and the request does not carry its token",
		Hint: "use the verb of the command line, or send the token of the file `control` in the state directory"})
	return false
}
