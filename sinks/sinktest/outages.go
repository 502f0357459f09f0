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
	// Open opens one more sink to the same destination, which the suite closes. Nil: the
	// rule about Close is left out.
	Open func() pipeline.Sink
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
		t.Run(rule.name, func(t *testing.T) { rule.check(t, open(t)) })
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

// insist writes until the batch is accepted, as the batcher does.
func (s *Stand) insist(t *testing.T, batch ...*pipeline.Change) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	for {
		err := s.Sink.Write(ctx, batch)
		if err == nil {
			return
		}
		if partial, ok := errors.AsType[*pipeline.BatchError](err); ok {
			batch = again(t, batch, partial)
		} else if pipeline.IsPermanent(err) {
			t.Fatalf("refused for good: %v", err)
		}
		wait := time.NewTimer(50 * time.Millisecond)
		select {
		case <-wait.C:
		case <-ctx.Done():
			t.Fatalf("not accepted within %s: %v", Patience, err)
		}
	}
}

func comesBack(t *testing.T, s Stand) {
	all := []*pipeline.Change{state("a", 1), state("b", 1)}
	s.insist(t, all...)
	for v := 2; v <= 3; v++ {
		s.Stop()
		batch := []*pipeline.Change{state("a", v), state("c", v)}
		s.fails(t, t.Context(), batch...)
		s.Start()
		s.insist(t, batch...)
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
	s.insist(t, batch...)
	s.check(t, batch)
}

// hangs ends a write that waits for an answer.
func hangs(t *testing.T, s Stand) {
	if s.Hang == nil {
		t.Skip("its destination cannot be made to hang")
	}
	first := state("a", 1)
	s.insist(t, first)
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
	s.insist(t, state("a", 2), state("b", 1))
	s.check(t, []*pipeline.Change{first, state("a", 2), state("b", 1)})
}

// awaitWaits waits until the destination has something that was sent, and no answer.
func (s *Stand) awaitWaits(t *testing.T, ended <-chan struct{}) {
	t.Helper()
	eventually(t, "Write has sent nothing", func() bool {
		select {
		case <-ended:
			t.Fatal("Write has returned although the destination does not answer and nothing has ended it")
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
