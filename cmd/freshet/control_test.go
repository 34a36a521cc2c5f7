package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
)

func TestControlFileIsItsOwnersAlone(t *testing.T) {
	dir := t.TempDir()
	k := control{Address: "127.0.0.1:7700", Token: newToken(), Flow: "docs"}
	if err := k.write(dir); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(controlPath(dir))
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o600 {
		t.Errorf("control file has mode %o, want 600", got)
	}
	if got, ok := readControl(dir); !ok || got != k {
		t.Errorf("readControl = %v, %v; want %v", got, ok, k)
	}

	later := control{Address: "127.0.0.1:7701", Token: newToken(), Flow: "docs"}
	if err := later.write(dir); err != nil {
		t.Fatal(err)
	}
	if err := k.remove(dir); err != nil {
		t.Fatal(err)
	}
	if got, ok := readControl(dir); !ok || got != later {
		t.Errorf("after the earlier owner has left, readControl = %v, %v; want %v", got, ok, later)
	}
	if err := later.remove(dir); err != nil {
		t.Fatal(err)
	}
	if _, ok := readControl(dir); ok {
		t.Error("the control file is still there")
	}
}

func TestNoPeerIsFoundWhereNobodyKnowsTheToken(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := free.Addr().String()
	free.Close()
	serve := func(handler http.HandlerFunc) string {
		s := httptest.NewServer(handler)
		t.Cleanup(s.Close)
		return s.Listener.Addr().String()
	}
	good := serve(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Freshet-Flow", "docs")
		if r.Header.Get("Authorization") != "Bearer right" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	cases := []struct {
		name string
		k    control
		want bool
	}{
		{"the running flow answers", control{good, "right", "docs", false, "", 0}, true},
		{"the process was killed and nobody has its port", control{gone, "right", "docs", false, "", 0}, false},
		{"another flow has its port", control{good, "left by the killed one", "docs", false, "", 0}, false},
		{"another program has its port", control{serve(func(http.ResponseWriter, *http.Request) {}), "right", "docs", false, "", 0}, false},
		{"a program that sends everyone elsewhere", control{serve(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://"+good+r.URL.Path, http.StatusFound)
		}), "right", "docs", false, "", 0}, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := c.k.write(dir); err != nil {
				t.Fatal(err)
			}
			if _, ok := findPeer(t.Context(), dir); ok != c.want {
				t.Errorf("findPeer = %v, want %v", ok, c.want)
			}
		})
	}
	for name, text := range map[string]string{"torn": `{"address": "127.0`, "empty": "", "without token": `{"address": "127.0.0.1:1"}`} {
		dir := t.TempDir()
		if err := os.WriteFile(controlPath(dir), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, ok := findPeer(t.Context(), dir); ok {
			t.Errorf("a control file that is %s finds a peer", name)
		}
	}
}
