package main

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fairlead-dev/fairlead/internal/replay"
	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks/file"
	"github.com/fairlead-dev/fairlead/sinks/sinktest"
)

// openSink opens a faulty sink that, in place of dying, returns errDead.
func openSink(t *testing.T) *faultySink {
	t.Helper()
	c := control{t.TempDir()}
	to, err := file.Open(c.sink())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := to.Close(); err != nil {
			t.Error(err)
		}
	})
	return &faultySink{to: to, control: c, die: func() error { return errDead }, freeze: func() error { return nil }}
}

var errDead = errors.New("dead")

func TestSinkWithoutFaults(t *testing.T) {
	sinktest.Run(t, func(t *testing.T) (pipeline.Sink, func() []pipeline.Event) {
		s := openSink(t)
		return s, func() []pipeline.Event { return events(t, s.control.sink()) }
	})
}

func events(t *testing.T, path string) []pipeline.Event {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all []pipeline.Event
	for line := range bytes.Lines(text) {
		if !bytes.HasSuffix(line, []byte("\n")) {
			break
		}
		e, err := pipeline.ParseEvent(line)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}

// changes returns a batch of one change per name.
func changes(names ...string) []*pipeline.Change {
	origin := &pipeline.Origin{
		Cluster: "c", ClusterUID: "cu", Kind: "ConfigMap", Namespaced: true,
		Resource: schema.GroupVersionResource{Version: "v1", Resource: "configmaps"},
	}
	var batch []*pipeline.Change
	for _, name := range names {
		batch = append(batch, &pipeline.Change{
			Key:    pipeline.Key{Cluster: "c", Resource: "configmaps", Namespace: "ns", Name: name},
			Origin: origin, Op: pipeline.Added, UID: types.UID("uid-" + name), ResourceVersion: "1", Object: []byte(`{"kind":"ConfigMap"}`),
		})
	}
	return batch
}

func written(t *testing.T, s *faultySink) string {
	t.Helper()
	var names []string
	for _, e := range events(t, s.control.sink()) {
		names = append(names, e.Name)
	}
	return strings.Join(names, " ")
}

func TestSinkFaults(t *testing.T) {
	for _, test := range []struct {
		fault, also, death kind
		err                error
		refused            []int // named by a BatchError
		written            string
		torn               bool
	}{
		{written: "a b c d"},
		{fault: sinkFails, err: errOnPurpose},
		{fault: sinkHalf, err: errOnPurpose, written: "a b"},
		{fault: sinkPartial, err: errOnPurpose, refused: []int{3}, written: "a b c"},
		{fault: sinkLost, err: errOnPurpose, written: "a b c d"},
		{also: sinkPartial, err: errOnPurpose, refused: []int{3}, written: "a b c"},
		{also: sinkPartial, fault: sinkFails, err: errOnPurpose},
		{death: killBefore, err: errDead},
		{death: killMiddle, err: errDead, written: "a b", torn: true},
		{death: killAfter, err: errDead, written: "a b c d"},
		{fault: sinkStalls, death: killAfter, err: errDead, written: "a b c d"},
	} {
		t.Run(strings.Join([]string{string(test.fault), string(test.also), string(test.death)}, " "), func(t *testing.T) {
			s := openSink(t)
			var errs []error
			if test.fault != "" {
				errs = append(errs, s.control.setFault(test.fault))
			}
			if test.death != "" {
				errs = append(errs, s.control.setDeath(test.death))
			}
			if test.also != "" {
				errs = append(errs, s.control.setAlso(test.also))
			}
			if err := errors.Join(errs...); err != nil {
				t.Fatal(err)
			}
			err := s.Write(t.Context(), changes("a", "b", "c", "d"))
			if !errors.Is(err, test.err) {
				t.Errorf("error %v, want %v", err, test.err)
			}
			partial, ok := errors.AsType[*pipeline.BatchError](err)
			if ok != (test.refused != nil) || ok && !slices.Equal(slices.Sorted(maps.Keys(partial.Failed)), test.refused) {
				t.Errorf("error %v, want one that names %v", err, test.refused)
			}
			if got := written(t, s); got != test.written {
				t.Errorf("written %q, want %q", got, test.written)
			}
			text, err := os.ReadFile(s.control.sink())
			if err != nil {
				t.Fatal(err)
			}
			if torn := len(text) > 0 && text[len(text)-1] != '\n'; torn != test.torn {
				t.Errorf("the file ends %q", text[max(0, len(text)-20):])
			}

			// It ends. Whoever was killed starts anew.
			if err := errors.Join(s.control.setFault(""), s.control.setAlso("")); err != nil {
				t.Fatal(err)
			}
			if test.death != "" {
				if death, err := s.control.takeDeath(); death != "" || err != nil {
					t.Errorf("it would die again: %s, %v", death, err)
				}
				return
			}
			if err := s.Write(t.Context(), changes("d")); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSinkRefuses(t *testing.T) {
	s := openSink(t)
	if err := s.control.setFault(sinkRefuses); err != nil {
		t.Fatal(err)
	}
	batch := changes("a", "b", "c", "d")
	batch[1].Op = pipeline.Deleted
	err := s.Write(t.Context(), batch)
	partial, ok := errors.AsType[*pipeline.BatchError](err)
	if !ok || len(partial.Failed) != 2 || !pipeline.IsPermanent(partial.Failed[0]) || !pipeline.IsPermanent(partial.Failed[2]) {
		t.Errorf("error %v, want one that refuses the first and the third for good", err)
	}
	if got := written(t, s); got != "b d" {
		t.Errorf("written %q, want the deletion and the last", got)
	}
	var want []refusal
	for _, name := range []string{"a", "c"} {
		want = append(want, refusal{replay.Object{Cluster: "c", Resource: "configmaps", Namespace: "ns", Name: name}, "1"})
	}
	got, err := readRefusals(s.control.refused())
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("noted: %v\n%s", err, diff)
	}
	// A later version may be accepted.
	batch = changes("a")
	batch[0].ResourceVersion = "4"
	if err := s.Write(t.Context(), batch); err != nil {
		t.Error(err)
	}
}

// A sink that takes nothing of one member takes of the others what its fault lets
// through, and says which it has not taken.
func TestSinkShuns(t *testing.T) {
	for _, test := range []struct {
		fault   kind
		whole   bool
		refused []int
		err     bool // of the whole batch
		written string
	}{
		{refused: []int{0, 2}, written: "b d e"},
		{whole: true, err: true},
		{fault: sinkPartial, refused: []int{0, 2, 3}, written: "b e"},
		{fault: sinkHalf, err: true, written: "b"},
		{fault: sinkFails, err: true},
	} {
		t.Run(string(test.fault), func(t *testing.T) {
			s := openSink(t)
			if err := errors.Join(s.control.setShunned("shunned", test.whole), s.control.setFault(test.fault)); err != nil {
				t.Fatal(err)
			}
			batch := changes("a", "b", "c", "d", "e")
			batch[0].Key.Cluster, batch[2].Key.Cluster = "shunned", "shunned"
			err := s.Write(t.Context(), batch)
			partial, ok := errors.AsType[*pipeline.BatchError](err)
			if err == nil || ok == test.err {
				t.Errorf("error %v", err)
			}
			if ok {
				if diff := cmp.Diff(test.refused, slices.Sorted(maps.Keys(partial.Failed))); diff != "" {
					t.Error(diff)
				}
				for _, why := range partial.Failed {
					if pipeline.IsPermanent(why) {
						t.Errorf("refused for good: %v", why)
					}
				}
			}
			if got := written(t, s); got != test.written {
				t.Errorf("written %q, want %q", got, test.written)
			}
			if err := errors.Join(s.control.setShunned("", false), s.control.setFault("")); err != nil {
				t.Fatal(err)
			}
			if err := s.Write(t.Context(), batch[:1]); err != nil {
				t.Errorf("when it has relented: %v", err)
			}
		})
	}
}

func TestSinkIsSlow(t *testing.T) {
	s := openSink(t)
	if err := s.control.setFault(sinkSlow); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		if err := s.Write(t.Context(), changes("a")); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun); took < slowDelay {
			t.Errorf("it took %v", took)
		}
	})
}

func TestSinkKillsAfterAStall(t *testing.T) {
	s := openSink(t)
	if err := errors.Join(s.control.setAlso(sinkStalls), s.control.setDeath(killBurst)); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		done := make(chan error, 1)
		go func() { done <- s.Write(t.Context(), changes("a")) }()
		time.Sleep(time.Minute)
		if err := s.control.setAlso(""); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Errorf("the write that stalled: %v", err)
		}
		if err := s.Write(t.Context(), changes("b", "c")); !errors.Is(err, errDead) || written(t, s) != "a b c" {
			t.Errorf("the next: %v, %q written", err, written(t, s))
		}
	})
}

func TestSinkStalls(t *testing.T) {
	s := openSink(t)
	if err := s.control.setFault(sinkStalls); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Write(ctx, changes("a")) }()
		time.Sleep(time.Minute)
		select {
		case err := <-done:
			t.Fatalf("it did not stall: %v", err)
		default:
		}
		cancel(errOnPurpose)
		if err := <-done; !errors.Is(err, errOnPurpose) {
			t.Errorf("stalled until its context ended, and then: %v", err)
		}

		go func() { done <- s.Write(t.Context(), changes("b")) }()
		time.Sleep(time.Minute)
		if err := s.control.setFault(""); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil || written(t, s) != "b" {
			t.Errorf("after it: %v, %q written", err, written(t, s))
		}
	})
}
