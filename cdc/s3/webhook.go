package s3

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/freshet/freshet/cdc"
)

// webhook is an address where notifications are posted.
type webhook struct {
	listener net.Listener
	token    string
	sieve    *sieve
}

// What a request may take.
const (
	hookBody = 1 << 20 // bytes of a notification
	hookTime = 10 * time.Second
)

// openWebhook listens at the address. It is the run's until serve has it.
func openWebhook(ctx context.Context, o Webhook, s *sieve) (*webhook, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", o.Addr)
	if err != nil {
		return nil, &cdc.SourceError{Code: "address_in_use", Err: fmt.Errorf("listen for notifications at %s: %w", o.Addr, err),
			Hint: "name another address under notify.webhook, or end what listens there"}
	}
	return &webhook{listener: l, token: o.Token, sieve: s}, nil
}

// serve answers until ctx ends.
func (h *webhook) serve(ctx context.Context, to chan<- *parcel, log *slog.Logger) error {
	server := &http.Server{Handler: h.handler(to), ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug), ReadTimeout: hookTime, WriteTimeout: hookTime, MaxHeaderBytes: 16 << 10,
		BaseContext: func(net.Listener) context.Context { return ctx }}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if err := server.Serve(h.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve notifications: %w", err)
	}
	return nil
}

// handler takes a notification: 200 says that the run has it. It is not durable then: what a crash takes a listing
// at the next start finds.
func (h *webhook) handler(to chan<- *parcel) http.Handler {
	want := []byte("Bearer " + h.token)
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			http.Error(w, "post notifications here", http.StatusMethodNotAllowed)
			return
		}
		if h.token != "" && subtle.ConstantTimeCompare([]byte(q.Header.Get("Authorization")), want) != 1 {
			http.Error(w, "the token is missing or wrong", http.StatusUnauthorized)
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, q.Body, hookBody))
		if err != nil {
			http.Error(w, "the notification is too large or breaks off", http.StatusRequestEntityTooLarge)
			return
		}
		taken, err := h.sieve.offer(body, func(keys []string) bool { return hand(to, keys) })
		switch {
		case err != nil:
			http.Error(w, err.Error(), http.StatusBadRequest)
		case !taken:
			w.Header().Set("Retry-After", "1")
			http.Error(w, "more notifications are waiting than can be taken", http.StatusServiceUnavailable)
		}
	})
}
