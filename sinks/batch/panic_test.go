package batch

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// sinkFunc is a sink of one function.
type sinkFunc func([]*pipeline.Change) error

func (f sinkFunc) Write(_ context.Context, all []*pipeline.Change) error { return f(all) }

// One object that a sink panics for is found and given up, and all others are delivered.
func TestAPanicIsOfOneChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got, dead, reasons, logged []string
		sink := sinkFunc(func(all []*pipeline.Change) error {
			for _, c := range all {
				if c.Key.Name == "poison" {
					panic(strings.Repeat("index out of range ", 100))
				}
			}
			for _, c := range all {
				got = append(got, label(c))
			}
			return nil
		})
		b, stop := start(t, sink, Options{
			MinBatch: 8,
			DeadLetter: func(c *pipeline.Change, reason error, _ int) error {
				dead, reasons = append(dead, label(c)), append(reasons, reason.Error())
				return nil
			},
			Log: funcr.New(func(_, args string) {
				if strings.Contains(args, "panic") {
					logged = append(logged, args)
				}
			}, funcr.Options{}),
		})
		var want []string
		var all []*pipeline.Change
		for i := range 8 {
			all = append(all, change(fmt.Sprint("c", i), 1))
			want = append(want, label(all[i]))
		}
		all = slices.Insert(all, 3, change("poison", 1))
		if err := b.Deliver(t.Context(), func(int, error) {}, all...); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if err := b.Deliver(t.Context(), taken(t), change("poison", 2)); err != nil {
			t.Fatal(err)
		}
		stop()
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("written %q, want %q", got, want)
		}
		if !slices.Equal(dead, []string{"poison1", "poison2"}) {
			t.Errorf("dead letters: %q", dead)
		}
		for _, reason := range reasons {
			if !strings.HasPrefix(reason, "the sink panicked: index out of range") || len(reason) > 600 {
				t.Errorf("reason: %q", reason)
			}
		}
		if len(logged) != 1 || !strings.Contains(logged[0], "panic_test.go") || len(logged[0]) > panicStack+panicMost+2000 {
			t.Errorf("logged %d times: %.9000q", len(logged), logged)
		}
	})
}

// What keeps dead letters encodes the same object.
func TestAPanicOfWhatKeepsDeadLetters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, stop := start(t, sinkFunc(func([]*pipeline.Change) error { panic("no") }), Options{
			DeadLetter: func(*pipeline.Change, error, int) error { panic("neither") },
		})
		defer stop()
		for range 2 { // the second finds no lock held
			var refused error
			if err := b.Deliver(t.Context(), func(_ int, why error) { refused = why }, change("a", 1)); err != nil {
				t.Fatal(err)
			}
			if refused == nil || !strings.Contains(refused.Error(), "the sink panicked: no") || !strings.Contains(refused.Error(), "what keeps dead letters panicked: neither") {
				t.Errorf("refused because of %v", refused)
			}
		}
	})
}

// A cluster that has left, and may come back as another one, is not written apart any more.
func TestAClusterThatHasLeftIsNotApart(t *testing.T) {
	var s suspects
	now := time.Now()
	bad := change("p", 1).Key
	good := bad
	good.Cluster = "beta"
	for _, key := range []pipeline.Key{bad, good} {
		s.found(key, errNoReason, nil, time.Millisecond, false, now)
	}
	held := bad
	held.Name = "held"
	s.held.keys = map[pipeline.Key]time.Time{held: now}
	s.forget(bad.Cluster)
	if names := s.names(now); !slices.Equal(names, []string{"beta"}) || s.objects != 1 || len(s.held.keys) != 0 {
		t.Errorf("apart: %q, %d objects, %d held", names, s.objects, len(s.held.keys))
	}
	s.forget("beta")
	if !s.isEmpty() || s.objects != 0 {
		t.Errorf("%d objects stay", s.objects)
	}
}
