package locktest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/anishathalye/porcupine"
)

// deed is what a process asks of a sink.
type deed string

const (
	begins deed = "begins" // its term
	acts   deed = "acts"
	ends   deed = "ends" // its term, before it releases the record
)

// request and answer are a deed of a process, and what came of it.
type (
	request struct {
		what deed
		who  string
		term uint64
	}
	answer struct {
		accepted bool
		// late: when the answer came, the lease duration was over since the process began
		// the last renewal that it knows of. Another may lead then.
		late bool
	}
)

// sink is a destination that refuses what comes with a lower term than it has seen. It
// notes what it is asked.
type sink struct {
	mu      sync.Mutex
	term    uint64
	events  int64 // that have happened: calls and returns, in their order
	history []porcupine.Operation
}

// call notes that a request was made.
func (s *sink) call() (at int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events++
	return s.events
}

// accept decides on a request.
func (s *sink) accept(r request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.term < s.term {
		return false
	}
	s.term = r.term
	return true
}

// answered notes what came of the request that was made at that event.
func (s *sink) answered(called int64, r request, a answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events++
	s.history = append(s.history, porcupine.Operation{Input: r, Output: a, Call: called, Return: s.events})
}

// begun returns how many terms have begun.
func (s *sink) begun() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.history {
		if o.Input.(request).what == begins && o.Output.(answer).accepted {
			n++
		}
	}
	return n
}

// current is the term that a sink knows.
type current struct {
	term uint64
	who  string // whose it is
	over bool
}

// model says in which order answers are possible if one process leads at a time, and
// each term is higher than the one before. A process that may be followed already is
// answered by its term alone; any other is never refused.
var model = porcupine.Model{
	Init: func() any { return current{} },
	Step: func(state, input, output any) (bool, any) {
		s, r, a := state.(current), input.(request), output.(answer)
		switch {
		case !a.accepted:
			return a.late && r.term < s.term, s
		case r.what == begins:
			return r.term > s.term, current{term: r.term, who: r.who}
		}
		return r.term == s.term && r.who == s.who && !s.over, current{term: s.term, who: s.who, over: r.what == ends}
	},
}

// check fails the test if the history is none that the model allows.
func (s *sink) check(t testing.TB) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch result, info := porcupine.CheckOperationsVerbose(model, s.history, patience); result {
	case porcupine.Ok:
	case porcupine.Unknown:
		t.Errorf("a history of %d requests could not be checked within %v", len(s.history), patience)
	default:
		t.Errorf("two processes led at once, or a term is no higher than one before: no order explains the requests\n%s", s.explainLocked(info))
	}
}

// explainLocked shows the end of the longest part of the history that has an order, and
// what comes next.
func (s *sink) explainLocked(info porcupine.LinearizationInfo) string {
	const most = 8 // requests
	var longest []porcupine.Operation
	for _, partition := range info.PartialLinearizationsOperations() {
		for _, order := range partition {
			if len(order) > len(longest) {
				longest = order
			}
		}
	}
	var b strings.Builder
	for _, o := range longest[max(0, len(longest)-most):] {
		fmt.Fprintln(&b, "  ", describe(o))
	}
	var rest []porcupine.Operation
	for _, o := range s.history {
		if !slices.ContainsFunc(longest, func(l porcupine.Operation) bool { return l.Call == o.Call }) {
			rest = append(rest, o)
		}
	}
	slices.SortFunc(rest, func(a, b porcupine.Operation) int { return int(a.Call - b.Call) })
	for _, o := range rest[:min(most, len(rest))] {
		fmt.Fprintln(&b, " ?", describe(o))
	}
	return b.String()
}

func describe(o porcupine.Operation) string {
	r, a := o.Input.(request), o.Output.(answer)
	text := fmt.Sprintf("%d to %d: %s %s in term %d", o.Call, o.Return, shown(r.who), r.what, r.term)
	if !a.accepted {
		text += ", refused"
	}
	if a.late {
		text += ", late"
	}
	return text
}
