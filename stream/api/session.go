package api

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// sessionTime is how long somebody who has shown the token stays signed in.
const sessionTime = 12 * time.Hour

// sessions keeps who has shown the token, in a cookie that only the token can make: nothing is stored here, a
// new token ends all sessions, and the token itself is in no cookie and no address. It implements console.Keeper.
type sessions struct {
	server *Server
	name   string // of the cookie: flows of one machine share its cookies, whatever their ports
}

func newSessions(s *Server) *sessions {
	k := &sessions{server: s}
	k.name = "freshet-" + k.seal("name")[:8]
	return k
}

// seal is a word that only the token makes of a text.
func (k *sessions) seal(text string) string {
	m := hmac.New(sha256.New, []byte(k.server.o.Token))
	m.Write([]byte(text))
	return hex.EncodeToString(m.Sum(nil))
}

// cookie is the value of a session that holds.
func (k *sessions) cookie(r *http.Request) (string, bool) {
	c, err := r.Cookie(k.name)
	if err != nil || k.server.o.Token == "" {
		return "", false
	}
	until, sealed, _ := strings.Cut(c.Value, ".")
	seconds, err := strconv.ParseInt(until, 10, 64)
	if err != nil || time.Now().Unix() >= seconds || !hmac.Equal([]byte(sealed), []byte(k.seal("session "+until))) {
		return "", false
	}
	return c.Value, true
}

// Signed reports whether a request carries a session or the token.
func (k *sessions) Signed(r *http.Request) bool {
	if _, ok := k.cookie(r); ok {
		return true
	}
	token, carried := tokenOf(r)
	return carried && k.server.holds(token)
}

// Word is what forms of the request's session carry.
func (k *sessions) Word(r *http.Request) string {
	session, _ := k.cookie(r)
	return k.seal("form " + session)
}

// SignIn begins a session for whoever shows the token.
func (k *sessions) SignIn(w http.ResponseWriter, r *http.Request, token string) bool {
	if !k.server.holds(token) {
		return false
	}
	until := strconv.FormatInt(time.Now().Add(sessionTime).Unix(), 10)
	k.put(w, r, until+"."+k.seal("session "+until), int(sessionTime/time.Second))
	return true
}

// SignOut ends the session of a request.
func (k *sessions) SignOut(w http.ResponseWriter, r *http.Request) { k.put(w, r, "", -1) }

func (k *sessions) put(w http.ResponseWriter, r *http.Request, value string, seconds int) {
	http.SetCookie(w, &http.Cookie{Name: k.name, Value: value, Path: "/", MaxAge: seconds, HttpOnly: true,
		Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode})
}
