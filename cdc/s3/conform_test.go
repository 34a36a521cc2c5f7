package s3_test

import (
	"testing"
	"time"

	"github.com/freshet/freshet/cdc/cdctest"
	"github.com/freshet/freshet/cdc/s3"
)

var (
	_ cdctest.Source  = (*s3.Source)(nil)
	_ cdctest.Harness = (*world)(nil)
)

func TestSourceConforms(t *testing.T) {
	for name, adapt := range map[string]func(*world){
		"by a queue":  (*world).hear,
		"by listings": func(w *world) { w.options.Notify.Poll = 20 * time.Millisecond },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			adapt(w)
			cdctest.TestSource(t, func(*testing.T) cdctest.Harness {
				w.clear()
				return w
			})
		})
	}
}
