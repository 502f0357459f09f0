package probe

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

const (
	// fresh is for how long an answer counts for all who ask.
	fresh = 5 * time.Second
	// ending is why there is no answer after Close.
	ending = "the program ends"
)

// Shared lets all who ask members about themselves share their answers, so that a member is
// asked once in five seconds however many explain, check or look at a page:
//
//	explain ─┐
//	check ───┼─▶ Ask ──▶ one question of a cluster, on its own ──▶ answer ──▶ 5 s for all
//	a page ──┘
//
// A question ends after Timeout, whoever waits for it, and AtOnce are under way at most. Who
// waits no longer leaves it alone: the next one has its answer. Its methods may be called by
// any goroutine.
type Shared struct {
	slots  chan struct{}
	closed chan struct{}

	mu     sync.Mutex         // held while closed is closed, too
	all    map[string]*shared // by cluster; with all that are under way
	asking sync.WaitGroup     // goroutines; none is added once closed
}

// shared is one question. What it holds is read once done is closed.
type shared struct {
	cancel context.CancelFunc
	done   chan struct{}
	answer api.MemberProbe
	ended  time.Time
}

// NewShared returns a Shared that nobody has asked. The caller closes it.
func NewShared() *Shared {
	return &Shared{slots: make(chan struct{}, AtOnce), closed: make(chan struct{}), all: map[string]*shared{}}
}

// Ask returns what a member has said within the last five seconds, and else has it asked by
// ask, which must end with its context. If ctx ends before there is an answer, and after
// Close, ok is false, and the answer's Error tells why there is none.
func (s *Shared) Ask(ctx context.Context, cluster string, ask func(context.Context) api.MemberProbe) (answer api.MemberProbe, ok bool) {
	none := func(why string) (api.MemberProbe, bool) { return api.MemberProbe{Cluster: cluster, Error: why}, false }
	q := s.existing(cluster)
	if q == nil {
		select {
		case s.slots <- struct{}{}:
		case <-ctx.Done():
			return none(fmt.Sprintf("it was not asked, because %d other clusters are being asked and have not answered; ask again", AtOnce))
		case <-s.closed:
			return none(ending)
		}
		if q = s.begin(cluster, ask); q == nil {
			return none(ending)
		}
	}
	select {
	case <-q.done:
		return q.answer, true
	case <-ctx.Done():
		return none(context.Cause(ctx).Error())
	case <-s.closed:
		return none(ending)
	}
}

// existing returns the question of a cluster that is under way, or has a fresh answer.
func (s *Shared) existing(cluster string) *shared {
	s.mu.Lock()
	defer s.mu.Unlock()
	if q := s.all[cluster]; q != nil && q.counts(time.Now()) {
		return q
	}
	return nil
}

// counts reports whether there is, or will be, an answer that is fresh.
func (q *shared) counts(now time.Time) bool {
	select {
	case <-q.done:
		return now.Sub(q.ended) < fresh
	default:
		return true
	}
}

// begin has a cluster asked, with a slot that it gives back, unless somebody was faster; nil:
// it is closed.
func (s *Shared) begin(cluster string, ask func(context.Context) api.MemberProbe) *shared {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	select {
	case <-s.closed:
		<-s.slots
		return nil
	default:
	}
	if q := s.all[cluster]; q != nil && q.counts(now) {
		<-s.slots
		return q
	}
	for name, q := range s.all {
		if !q.counts(now) {
			delete(s.all, name)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), Timeout)
	q := &shared{cancel: cancel, done: make(chan struct{})}
	s.all[cluster] = q
	s.asking.Go(func() {
		defer func() { <-s.slots }()
		defer cancel()
		q.answer = ask(ctx)
		q.ended = time.Now()
		close(q.done)
	})
	return q
}

// Close ends all questions and waits for them, until ctx ends: what a member's credential
// plugin does need not obey anybody. It reports whether all have ended.
func (s *Shared) Close(ctx context.Context) bool {
	s.close()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.asking.Wait()
	}()
	select {
	case <-ended:
		return true
	case <-ctx.Done():
		return false
	}
}

func (s *Shared) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.closed:
	default:
		close(s.closed)
	}
	for _, q := range s.all {
		q.cancel()
	}
}
