package console

import "net/http"

// Waiting makes the page of a flow that has not begun, whatever page is asked for: it says why, and loads itself again until the
// flow is there. why is called from several goroutines at once. Of o it takes Flow, Closed, Keeper and Logger.
func Waiting(o Options, why func() Fault) http.Handler {
	c := &Console{o: o, pages: parsePages()}
	mux := http.NewServeMux()
	mux.Handle("GET /assets/", http.FileServerFS(assetFiles))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		v := &view{Screen: "waiting", Title: "The flow waits to begin", Flow: o.Flow, Closed: true}
		if !o.Closed || o.Keeper.Signed(r) {
			f := why()
			v.Fault = &f
		}
		c.show(w, http.StatusServiceUnavailable, v)
	})
	return mux
}
