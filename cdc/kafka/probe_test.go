package kafka_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/freshet/freshet/cdc"
)

func TestProbeReachesTheTopic(t *testing.T) {
	w := newWorld(t, 3)
	if said, err := w.source().Probe(t.Context()); err != nil || !strings.Contains(said, "topic t can be read; partitions: 3") {
		t.Errorf("a topic that is there gives %q, %v", said, err)
	}
	for range 5 {
		if err := w.Write("k", "v"); err != nil {
			t.Fatal(err)
		}
	}
	s := w.source()
	if all, err := s.Estimates(t.Context()); err != nil || len(all) != 1 || all[0].Rows != 5 || all[0].Bytes >= 0 {
		t.Errorf("the estimate of five records is %v, %v", all, err)
	}
	fault := func() *cdc.SourceError {
		var fault *cdc.SourceError
		if _, err := w.source().Probe(t.Context()); !errors.As(err, &fault) || fault.Code != "server_unreachable" {
			t.Errorf("it gives %v", err)
			return &cdc.SourceError{Err: err}
		}
		return fault
	}
	w.options.Topic = "absent"
	if f := fault(); !strings.Contains(f.Error(), "absent") || !strings.Contains(f.Hint, "make the topic") {
		t.Errorf("a topic that is not there: %v; %s", f, f.Hint)
	}
	w.cluster.Close()
	fault()
}
