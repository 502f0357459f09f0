package stream

import (
	"context"
	"errors"
	"sync"

	"github.com/fairlead-dev/fairlead/internal/apistatus"
	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/retry"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/pipeline/budget"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
)

// A change that its sink refuses gives its object up when others wait for the memory
// (pipeline.Change.Evict). It stays in its lane, and when it is due the stage asks for the
// object here:
//
//	refused ──▶ delayed in its lane ──▶ evicted ──▶ due: Reread ──▶ list of one ──▶ Offer, in its place
//	                   ▲                                 │
//	                   └───────── as long as it is not ──┘
//
// It is handed over again if the cluster still has that very state. Else the watch tells
// what has become of it, or a snapshot does; until then it leaves the lane (Change.Moved), as
// the watch may be waiting for that room. To the ledger it is the same observation: it is
// pending all the time, and nothing is resumed from behind it.

// again is what a branch wants read again. There is a goroutine only while there is any.
type again struct {
	wanted  map[ledger.Name]*pipeline.Change // those without their objects
	order   []ledger.Name
	running bool
}

// wantAgain asks for the object of a change.
func (s *Stream) wantAgain(b *branch, c *pipeline.Change) {
	want := *c // the queue's is not to be looked at later
	want.Memory, want.Together = budget.Loan{}, nil
	name, _ := identity(c)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reread == nil {
		return // whoever follows the resource next reads it anyway
	}
	g := &b.again
	if was := g.wanted[name]; was == nil {
		g.order = append(g.order, name)
	} else if was.Sequence >= want.Sequence {
		return
	}
	if g.wanted == nil {
		g.wanted = map[ledger.Name]*pipeline.Change{}
	}
	g.wanted[name] = &want
	if !g.running {
		g.running = true
		s.reread(b)
	}
}

// beginRereads lets objects be read again until end is called, which waits for the one
// under way. Each goroutine ends with caught.
func (s *Stream) beginRereads(ctx context.Context, cancel func(), caught func()) (end func()) {
	var running sync.WaitGroup
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reread = func(b *branch) {
		running.Go(func() {
			defer caught()
			s.rereadAll(ctx, b)
		})
	}
	return sync.OnceFunc(func() {
		cancel()
		s.mu.Lock()
		s.reread = nil
		s.mu.Unlock()
		running.Wait()
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, b := range s.branches {
			b.again = again{}
		}
	})
}

// rereadAll reads what a branch wants, one after the other.
func (s *Stream) rereadAll(ctx context.Context, b *branch) {
	delays := retry.NewBackOff(s.cfg.ReconnectMin, s.cfg.ReconnectMax)
	for want := s.nextAgain(b); want != nil && ctx.Err() == nil; want = s.nextAgain(b) {
		err := s.readAgain(ctx, b, want)
		s.doneAgain(b, want)
		if err == nil || ctx.Err() != nil {
			delays.Reset()
			continue
		}
		s.log.V(1).Info("A refused object could not be read again; it is tried later", "key", want.Key.String(), "reason", s.main.Load().brief(err))
		if !errors.Is(err, queue.ErrFull) { // the next one would most likely fail as well
			_ = retry.Sleep(ctx, max(apistatus.Of(err).RetryAfter, delays.NextBackOff())) // fails when ctx ends, as the loop does
		}
	}
}

// nextAgain returns what is to be read next; nil: there is nothing, and the goroutine ends.
func (s *Stream) nextAgain(b *branch) *pipeline.Change {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := &b.again
	if len(g.order) == 0 {
		*g = again{}
		return nil
	}
	return g.wanted[g.order[0]]
}

// doneAgain forgets what was read, or was not. It may be asked for again from now on.
func (s *Stream) doneAgain(b *branch, want *pipeline.Change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := &b.again
	name := g.order[0]
	g.order = g.order[1:]
	if g.wanted[name] == want {
		delete(g.wanted, name)
	} else { // a newer state has come meanwhile
		g.order = append(g.order, name)
	}
}
