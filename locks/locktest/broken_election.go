package locktest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/go-logr/logr"

	"github.com/fairlead-dev/fairlead/internal/election"
	"github.com/fairlead-dev/fairlead/internal/retry"
	"github.com/fairlead-dev/fairlead/locks"
)

// unansweredTerm: who finds that it holds the record, by a write of which it did not
// know whether it had arrived, leads in a term like any other.
func unansweredTerm(t testing.TB, b Breakable) {
	l, other := fenced(t, b.Backend, "a"), fenced(t, b.Backend, "b")
	var s terms
	create(t, other, held("b"))
	s.took(t, "by Create", other)
	get(t, l)
	b.Break(t)
	b.fails(t, "Update", func(ctx context.Context) error { return l.Update(ctx, held("a")) })
	b.Repair(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		r, _, err := l.Get(ctx)
		if err == nil && r.HolderIdentity != "a" {
			err = l.Update(ctx, held("a"))
		}
		if err == nil {
			s.took(t, "with a write that was not answered at first", l)
			return
		}
		if ctx.Err() != nil {
			t.Errorf("still failing once the backend is repaired: %v", err)
			return
		}
		if outcome(err) != "Conflict" {
			_ = retry.Sleep(ctx, deadline)
		}
	}
}

// member is a process in an election with a fence.
type member struct {
	*observed
	*election.Election
	led   chan struct{} // closed when it leads
	ended chan struct{} // closed when it has ended
	err   error         // with which it has
	stop  context.CancelFunc
}

// Identity is that of the lock.
func (m *member) Identity() string { return m.observed.Identity() }

func join(t testing.TB, b Backend, identity string) *member {
	t.Helper()
	l := b.Open(t, identity)
	connect(t.Context(), l)
	m := &member{observed: observe(l), led: make(chan struct{}), ended: make(chan struct{})}
	var err error
	if f, ok := l.(locks.Fenced); ok {
		m.Election, err = election.New(timing, fencedLock{m.observed, f}, logr.Discard())
	} else {
		m.Election, err = election.New(timing, m.observed, logr.Discard())
	}
	if err != nil {
		t.Fatalf("%q: %v", identity, err)
	}
	ctx, stop := context.WithCancel(t.Context())
	m.stop = stop
	go func() {
		defer close(m.ended)
		m.err = m.Run(ctx, func(ctx, term context.Context) (bool, error) {
			close(m.led)
			select {
			case <-ctx.Done():
			case <-term.Done():
			}
			return true, nil
		})
	}()
	return m
}

// await returns whether something comes about within patience.
func await(done <-chan struct{}) bool {
	limit := time.NewTimer(patience)
	defer limit.Stop()
	select {
	case <-done:
		return true
	case <-limit.C:
		return false
	}
}

// electionsGoOn: who leads stops while the backend fails, and once it is repaired the
// next one leads, no earlier than it may and with a higher token.
func electionsGoOn(t testing.TB, b Breakable) {
	first := join(t, b.Backend, "a")
	defer func() { first.stop(); <-first.ended }()
	if !await(first.led) {
		t.Errorf("nobody leads although the backend is well: %s", first.Status().LastError)
		return
	}
	second := join(t, b.Backend, "b")
	defer func() { second.stop(); <-second.ended }()
	b.Break(t)
	lost := await(first.ended)
	b.Repair(t)
	if !lost || !errors.Is(first.err, election.ErrLost) {
		t.Errorf("a leader whose backend fails leads on, or ends with %v", first.err)
		return
	}
	if !await(second.led) {
		t.Errorf("nobody leads %v after the backend was repaired: %s", patience, second.Status().LastError)
		return
	}
	_, renewed, _, _ := first.state()
	took, _, _, _ := second.state()
	if waited := took.Sub(renewed); waited < leaseDuration {
		t.Errorf("the next one takes the record %v after the last renewal began of one that holds it for %v", waited, leaseDuration)
	}
	if before, now := first.Token(), second.Token(); now <= before {
		t.Errorf("the next one leads with the token %d, after one with %d", now, before)
	}
}
