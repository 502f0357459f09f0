package sinktest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
)

// Patience is how long the suite waits for what has to happen soon.
const Patience = time.Minute

// Stand is a sink whose destination can be taken away.
type Stand struct {
	Sink pipeline.Sink
	// Events reads what the destination holds, as of [Open]; or Held as of [OpenState].
	Events func() []pipeline.Event
	Held   func() []sinks.Held
	// Stop ends the destination or cuts it off, and Start has it back with what it had.
	Stop, Start func()
	// Hang has the destination take what is sent and answer nothing, until Resume. Nil:
	// the rules about that are left out. Waits reports, while it hangs, whether something
	// that a sink has sent since has arrived there, or is on the way and gets no further.
	Hang, Resume func()
	Waits        func() bool
	// Open opens one more sink to the same destination, which the suite closes. It is the one
	// that has to do with a destination that hangs, and that is to be ended, so its own time
	// for a write should be long, such as 30 s: on a busy machine it may be over before what
	// was sent has arrived. Nil: the rule about Close is left out.
	Open func() pipeline.Sink
}

// complete fails the test if the stand lacks something.
func (s *Stand) complete(t *testing.T) {
	t.Helper()
	switch {
	case s.Sink == nil || s.Stop == nil || s.Start == nil:
		t.Fatal("the Stand lacks Sink, Stop or Start")
	case (s.Events == nil) == (s.Held == nil):
		t.Fatal("the Stand must have Events or Held, to read what the destination holds")
	case s.Hang != nil && (s.Waits == nil || s.Resume == nil):
		t.Fatal("the Stand has Hang, but no Waits, which tells when the destination has something that it does not answer, or no Resume")
	}
}

// RunOutages runs what a sink has to do while its destination is away, and when it is
// closed, one subtest for each rule.
func RunOutages(t *testing.T, open func(t *testing.T) Stand) {
	for _, rule := range []struct {
		name  string
		check func(*testing.T, Stand)
	}{
		{"a destination that comes back", comesBack},
		{"a destination that is away from the start", awayAtFirst},
		{"a destination that hangs", hangs},
		{"a sink that is closed", closes},
	} {
		t.Run(rule.name, func(t *testing.T) {
			s := open(t)
			s.complete(t)
			rule.check(t, s)
		})
	}
}

func (s *Stand) check(t *testing.T, accepted []*pipeline.Change) {
	t.Helper()
	if s.Held != nil {
		holds(t, accepted, s.Held())
	} else {
		same(t, accepted, s.Events())
	}
}

// fails writes while the destination is away: the error must be about the destination.
func (s *Stand) fails(t *testing.T, ctx context.Context, batch ...*pipeline.Change) { //nolint:revive // The test comes first, as in all helpers.
	t.Helper()
	err := s.Sink.Write(ctx, batch)
	_, partial := errors.AsType[*pipeline.BatchError](err)
	switch {
	case err == nil:
		t.Fatal("accepted by a destination that is not there")
	case pipeline.IsPermanent(err):
		t.Errorf("it is refused for good: %v", err)
	case partial:
		for _, reason := range err.(*pipeline.BatchError).Failed { //nolint:errorlint // It is one.
			if pipeline.IsPermanent(reason) {
				t.Errorf("a change is refused for good: %v", reason)
			}
		}
	}
}

func comesBack(t *testing.T, s Stand) {
	all := []*pipeline.Change{state("a", 1), state("b", 1)}
	Insist(t, s.Sink, all...)
	for v := 2; v <= 3; v++ {
		s.Stop()
		batch := []*pipeline.Change{state("a", v), state("c", v)}
		s.fails(t, t.Context(), batch...)
		s.Start()
		Insist(t, s.Sink, batch...)
		all = append(all, batch...)
		s.check(t, all)
	}
}

func awayAtFirst(t *testing.T, s Stand) {
	s.Stop()
	batch := []*pipeline.Change{state("a", 1), state("b", 1)}
	s.fails(t, t.Context(), batch...)
	s.fails(t, t.Context(), batch...)
	s.Start()
	Insist(t, s.Sink, batch...)
	s.check(t, batch)
}

// hangs ends a write that waits for an answer.
func hangs(t *testing.T, s Stand) {
	if s.Hang == nil {
		t.Skip("its destination cannot be made to hang")
	}
	if s.Open != nil {
		s.Sink = s.Open()
		defer s.close(t)
	}
	first := state("a", 1)
	Insist(t, s.Sink, first)
	s.Hang()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.fails(t, ctx, state("a", 2))
	}()
	s.awaitWaits(t, ended)
	cancel()
	within(t, ended, "Write has not returned after its context ended")
	s.Resume()
	Insist(t, s.Sink, state("a", 2), state("b", 1))
	s.check(t, []*pipeline.Change{first, state("a", 2), state("b", 1)})
}

// awaitWaits waits until the destination has something that was sent, and no answer.
func (s *Stand) awaitWaits(t *testing.T, ended <-chan struct{}) {
	t.Helper()
	eventually(t, "Write has sent nothing", func() bool {
		select {
		case <-ended:
			t.Fatal("Write has returned although the destination does not answer and nothing has ended it; if that is its own time for a write, give it more in Stand.Open")
		default:
		}
		return s.Waits()
	})
}

// within waits for something to end.
func within(t *testing.T, ended <-chan struct{}, otherwise string) {
	t.Helper()
	limit := time.NewTimer(Patience)
	defer limit.Stop()
	select {
	case <-ended:
	case <-limit.C:
		t.Fatalf("%s, within %s", otherwise, Patience)
	}
}

// eventually waits until something is so.
func eventually(t *testing.T, otherwise string, is func() bool) {
	t.Helper()
	limit, again := time.NewTimer(Patience), time.NewTicker(time.Millisecond)
	defer limit.Stop()
	defer again.Stop()
	for !is() {
		select {
		case <-again.C:
		case <-limit.C:
			t.Fatalf("%s, within %s", otherwise, Patience)
		}
	}
}
