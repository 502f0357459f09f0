package bench

import (
	"context"
	"sync"
	"testing"
	"time"
)

// follower follows the ConfigMaps of a server in one way or another, from its
// start on.
type follower interface {
	// await returns once it has dealt with n more events.
	await(b *testing.B, n int)
	// end stops it and waits for all that it has started.
	end()
}

// tally counts events, and tells when there are enough.
type tally struct {
	mu     sync.Mutex
	others int // events not to be counted
	seen   int
	wanted int
	done   chan struct{} // closed when wanted are seen; nil if nobody waits
}

func newTally() *tally { return &tally{} }

func (t *tally) add(n int) {
	t.mu.Lock()
	t.seen += n
	if t.done != nil && t.seen >= t.wanted+t.others {
		close(t.done)
		t.done = nil
	}
	t.mu.Unlock()
}

func (t *tally) await(b *testing.B, n int) {
	b.Helper()
	t.mu.Lock()
	t.wanted += n
	if t.seen >= t.wanted+t.others {
		t.mu.Unlock()
		return
	}
	done := make(chan struct{})
	t.done = done
	t.mu.Unlock()
	given := time.NewTimer(patience)
	defer given.Stop()
	select {
	case <-done:
	case <-given.C:
		b.Fatalf("waited in vain for %d events; there were %d", n, t.total())
	case <-b.Context().Done():
		b.Fatal("the benchmark was ended")
	}
}

// patience is how long a benchmark waits for what comes within seconds: go test
// itself, as make bench runs it, would wait for ever.
const patience = 5 * time.Minute

// background runs f until stop is called, which waits for its end.
func background(b testing.TB, f func(ctx context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		f(ctx)
	}()
	return func() { cancel(); <-ended }
}

// total is how many events there were.
func (t *tally) total() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.seen - t.others
}
