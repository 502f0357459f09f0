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

// A change that its sink refuses gives up its object when others wait for the memory
// (pipeline.Change.Evict). It stays in its lane, and when it is due the stage requests
// the object here:
//
//	refused ──▶ delayed in its lane ──▶ evicted ──▶ due: Reread ──▶ list of one ──▶ Offer, in its place
//	                   ▲                                 │
//	                   └───────── as long as it is not ──┘
//
// It is handed over again if the cluster still has that very state. Else the watch or a
// snapshot shows the object's newer state; until then the change leaves the lane
// (Change.Moved), because the watch may be waiting for that room. To the ledger it is the
// same observation: it is pending all the time, and no watch resumes from behind it.
//
// Objects are read one after the other, so that a sink that refuses much costs the member
// one request at a time. That holds up nothing but with members far away: a lane of 1,000
// is delivered 59 s after its sink takes them again, with round trips of 20 ms as with none,
// as the changes are tried again within a minute anyway; with 100 ms it is 100 s.

// rereadQueue holds the changes of a branch whose objects are to be read again. There is a
// goroutine only while there are any.
type rereadQueue struct {
	wanted  map[ledger.Name]*pipeline.Change // those without their objects
	order   []ledger.Name
	running bool
}

// requestReread requests the object of a change.
func (s *Stream) requestReread(b *branch, c *pipeline.Change) {
	want := *c // the queue's is not to be looked at later
	want.Memory, want.Together = budget.Loan{}, nil
	name, _ := identity(c)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reread == nil {
		return // whoever follows the resource next reads it anyway
	}
	q := &b.rereads
	if was := q.wanted[name]; was == nil {
		q.order = append(q.order, name)
	} else if was.Sequence >= want.Sequence {
		return
	}
	if q.wanted == nil {
		q.wanted = map[ledger.Name]*pipeline.Change{}
	}
	q.wanted[name] = &want
	if !q.running {
		q.running = true
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
			b.rereads = rereadQueue{}
		}
	})
}

// rereadAll reads what a branch wants, one after the other.
func (s *Stream) rereadAll(ctx context.Context, b *branch) {
	delays := retry.NewBackOff(s.cfg.ReconnectMin, s.cfg.ReconnectMax)
	for want := s.nextReread(b); want != nil && ctx.Err() == nil; want = s.nextReread(b) {
		err := s.readAgain(ctx, b, want)
		s.finishReread(b, want)
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

// nextReread returns what is to be read next; nil: there is nothing, and the goroutine ends.
func (s *Stream) nextReread(b *branch) *pipeline.Change {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := &b.rereads
	if len(q.order) == 0 {
		*q = rereadQueue{}
		return nil
	}
	return q.wanted[q.order[0]]
}

// finishReread forgets a request, served or not. The same may be requested again from now on.
func (s *Stream) finishReread(b *branch, want *pipeline.Change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := &b.rereads
	name := q.order[0]
	q.order = q.order[1:]
	if q.wanted[name] == want {
		delete(q.wanted, name)
	} else { // a newer state has come meanwhile
		q.order = append(q.order, name)
	}
}
