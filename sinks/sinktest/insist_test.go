package sinktest_test

import (
	"encoding/json"
	"errors"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks/sinktest"
)

// judged is a test of which is known whether it has failed.
type judged struct {
	testing.TB
	failed bool
}

func (j *judged) Helper() {}

func (j *judged) Errorf(string, ...any) { j.failed = true }

func (j *judged) Fatalf(string, ...any) {
	j.failed = true
	runtime.Goexit()
}

// fails reports whether a test that does this fails.
func fails(t *testing.T, do func(testing.TB)) bool {
	j := &judged{TB: t}
	var ends sync.WaitGroup
	ends.Go(func() { do(j) })
	ends.Wait()
	return j.failed
}

func TestFails(t *testing.T) {
	away := errors.New("the destination is away")
	for what, tc := range map[string]struct {
		err   error
		words []string
		fails bool
	}{
		"as it should":           {away, []string{"destination", "away"}, false},
		"without a word":         {away, []string{"destination", "full"}, true},
		"not at all":             {nil, nil, true},
		"for good":               {pipeline.Permanent(away), nil, true},
		"because of some change": {&pipeline.BatchError{Failed: map[int]error{0: away}}, nil, true},
	} {
		if got := fails(t, func(t testing.TB) { sinktest.Fails(t, tc.err, tc.words...) }); got != tc.fails {
			t.Errorf("it fails %s: the test fails: %v", what, got)
		}
	}
}

// What has failed is written until it is accepted, and nothing else is written twice.
func TestInsist(t *testing.T) {
	m, refusals := &memory{t: t}, 0
	m.refuse = func(c *pipeline.Change) error {
		if refusals == 2 || c.Key.Name == "a" {
			return nil
		}
		refusals++
		return errors.New("not yet")
	}
	batch := []*pipeline.Change{sinktest.Pod("edge", "a", "app:1", 3, 1), sinktest.Pod("edge", "b", "app:1", 3, 2)}
	sinktest.Insist(t, m, batch...)
	if len(m.events) != 2 || refusals != 2 {
		t.Errorf("after %d refusals there are %d events, want 2 and 2", refusals, len(m.events))
	}
	m.refuse, m.whole = func(*pipeline.Change) error { return pipeline.Permanent(errors.New("never")) }, true
	if !fails(t, func(t testing.TB) { sinktest.Insist(t, m, batch...) }) {
		t.Error("it goes on with what is refused for good")
	}
}

// What the story says is what a sink holds that knows which of two states is the later one.
func TestFleet(t *testing.T) {
	s, story := &table{rows: map[pipeline.Key]row{}}, sinktest.Fleet()
	for _, batch := range [][]*pipeline.Change{story.First, story.Then, story.Late} {
		sinktest.Insist(t, s, batch...)
	}
	images, gone := map[string]int{}, []string{}
	for key, r := range s.rows {
		var pod struct {
			Spec struct{ Containers []struct{ Image string } }
		}
		if err := json.Unmarshal(r.Object, &pod); err != nil {
			t.Fatal(err)
		}
		if !r.deleted {
			images[key.Cluster+" "+pod.Spec.Containers[0].Image]++
		} else if key.Name != "ancient" { // which was deleted a day ago
			gone = append(gone, key.String())
		}
	}
	story.Answers(t, images, gone)
	for what, wrong := range map[string]func(testing.TB){
		"what is gone is not": func(t testing.TB) { story.Answers(t, images, nil) },
		"more is gone":        func(t testing.TB) { story.Answers(t, images, append(slices.Clone(gone), "edge/pods/ns/back")) },
		"nothing runs":        func(t testing.TB) { story.Answers(t, nil, gone) },
	} {
		if !fails(t, wrong) {
			t.Errorf("an answer that is wrong is right: %s", what)
		}
	}
}
