package trace

import (
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// answered returns an answer to a change that went with a write.
func answered(id byte, with *pipeline.Call) answer {
	return answer{route: "kafka://b/t", trace: pipeline.Trace{TraceID: [16]byte{id}, SpanID: [8]byte{id}, Call: with}}
}

// batches returns the links of each span of a batch, by their first bytes, and how many
// changes it says that it had.
func batches(t *testing.T, c *calls, now time.Time, answers ...answer) (all [][]byte) {
	t.Helper()
	spans := append(c.spansOf(answers, now), c.overdue(now, false)...)
	for _, s := range spans {
		if s.Name != "send kafka batch" {
			continue
		}
		var links []byte
		for _, l := range s.Links {
			links = append(links, l.SpanId[0])
		}
		if n := attributes(s.Attributes)[attrCount]; n != "7" {
			t.Errorf("it had %s changes, want 7", n)
		}
		all = append(all, links)
	}
	return all
}

// A write has one span, with a link to each of its traced changes: not one for all that
// the stage took at the same time, nor for what was written by itself. It is sent once all
// of its answers have come, be it with several requests, or when too long has passed.
func TestLinksAreOfOneWrite(t *testing.T) {
	now := time.Now()
	one := &pipeline.Call{Began: now, Ended: now, Changes: 7, Traced: 2}
	other := &pipeline.Call{Began: now, Ended: now, Changes: 7, Traced: 3}
	alone := &pipeline.Call{Began: now, Ended: now, Changes: 1, Traced: 1}
	c := &calls{}
	is := func(what string, got [][]byte, want ...string) {
		t.Helper()
		if len(got) != len(want) {
			t.Fatalf("%s: %d batches, want %d", what, len(got), len(want))
		}
		for i, w := range want {
			if string(got[i]) != w {
				t.Errorf("%s: links to %v, want %v", what, got[i], []byte(w))
			}
		}
	}
	is("two writes and one of a single change", batches(t, c, now, answered(1, one), answered(2, other), answered(3, alone), answered(4, one), answered(5, nil)), "\x01\x04")
	stored := answered(2, other)
	stored.stored = now
	is("what is stored is no answer of the sink", batches(t, c, now, stored, answered(6, other)))
	is("the rest of the other", batches(t, c, now, answered(7, other)), "\x02\x06\x07")

	lost := &pipeline.Call{Began: now, Ended: now, Changes: 7, Traced: 3}
	is("one answer of three", batches(t, c, now, answered(8, lost)))
	is("not for long enough", batches(t, c, now.Add(callPatience-1)))
	is("the others do not come", batches(t, c, now.Add(callPatience)), "\x08")
	if len(c.open) != 0 {
		t.Errorf("%d writes wait still", len(c.open))
	}
}

// How many writes wait is bounded.
func TestOpenWritesAreBounded(t *testing.T) {
	c, now := &calls{}, time.Now()
	for range mostCalls + 10 {
		c.spansOf([]answer{answered(1, &pipeline.Call{Changes: 7, Traced: 2})}, now)
	}
	if len(c.open) != mostCalls {
		t.Errorf("%d writes wait, want %d", len(c.open), mostCalls)
	}
	if n := len(c.overdue(now, true)); n != mostCalls || len(c.open) != 0 {
		t.Errorf("%d spans in the end, and %d writes are left", n, len(c.open))
	}
}
