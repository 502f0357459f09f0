package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/testserver"
	"github.com/fairlead-dev/fairlead/sinks"
	"github.com/fairlead-dev/fairlead/sinks/postgres"
)

// ignore takes what is held and does nothing with it.
func ignore(sinks.Held) error { return nil }

func TestReadBack(t *testing.T) {
	d := start(t, "fsync = off")
	o := postgres.Options{Schema: d.schema(t)}
	s := d.open(t, o)
	const objects, size = 24, 4 << 20 // all together more than a server may say at once
	for i := range objects {
		c := pod(fmt.Sprint("p", i), 1, 1)
		c.Object = []byte(`{"data":"` + strings.Repeat("x", size) + `"}`)
		write(t, s, c)
	}
	far := pod("p0", 1, 1)
	far.Key.Cluster = "far"
	write(t, s, far, gone("p1", 1, 2))
	n := 0
	if err := s.ReadBack(t.Context(), "edge", "pods", func(h sinks.Held) error {
		n++
		if h.Key.Name == "p1" || h.Key.Cluster != "edge" || len(h.Object) < size {
			t.Errorf("read back %s, an object of %d bytes", h.Key, len(h.Object))
		}
		return nil
	}); err != nil || n != objects-1 {
		t.Errorf("read back %d, %v", n, err)
	}
	stop := errors.New("enough")
	if err := s.ReadBack(t.Context(), "edge", "pods", func(sinks.Held) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("ReadBack goes on: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if err := s.ReadBack(ctx, "edge", "pods", func(sinks.Held) error { cancel(); return nil }); err == nil {
		t.Error("ReadBack does not end with its context")
	}
	testserver.Poll(t, "the statements have ended", func() bool {
		return d.exec(t, `SELECT count(*) FROM pg_stat_activity WHERE usename = 'fairlead' AND state = 'active'`)[0] == "0"
	})
	history := d.open(t, postgres.Options{Schema: o.Schema, Tables: postgres.History})
	says(t, history.ReadBack(t.Context(), "edge", "pods", ignore), "give tables=both")
}

// A small object can have a text that nobody wants to read. It hides no other one.
func TestReadBackOfHugeTexts(t *testing.T) {
	d := start(t, "fsync = off")
	s := d.open(t, postgres.Options{Schema: d.schema(t)})
	odd := pod("b", 1, 1)
	odd.Object = []byte("[1e308" + strings.Repeat(",1e308", 300_000) + "]")
	last := pod("d", 1, 1)
	last.Object = odd.Object
	write(t, s, pod("a", 1, 1), odd, pod("c", 1, 1), last)
	var got []string
	if err := s.ReadBack(t.Context(), "edge", "pods", func(h sinks.Held) error {
		got = append(got, fmt.Sprint(h.Key.Name, h.Object != nil))
		return nil
	}); err != nil || strings.Join(got, " ") != "atrue bfalse ctrue dfalse" {
		t.Errorf("read back %q, %v", got, err)
	}
}
