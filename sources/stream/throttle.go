package stream

import (
	"context"
	"sync"
	"time"

	"github.com/fairlead-dev/fairlead/sources/member"
)

// An operator may limit how many changes of a resource are read per second. The limit stands at
// the entry, before there are routes:
//
//	watch or list ──▶ token? ──▶ frame ──▶ observe ──▶ spend ──┬─▶ route audit
//	                  (waits)             (duplicates: none)   └─▶ route alerts
//
// A reader asks for a token before it reads a frame. Without one it reads nothing, as before a
// full lane: what is not read waits in the socket and in the member, and takes no memory here. A
// frame that nobody delivers costs nothing. One that is delivered costs one token, to however
// many routes it goes. Several readers of a stream share the tokens: a route that is behind, a
// snapshot and a replay take them like the watch. Each may be one frame ahead, for which the next
// one waits longer.
//
// What was read before, and comes once more, costs nothing: retries of refused changes, objects
// that are read again for these, and redeliveries. Nor does the state that a list shows again, or the
// deletion that a snapshot finds again, after a token was taken for it and before sinks have accepted
// it: the cursors know that, until the process ends.
//
// A wait ends at once when the attempt does, whatever for: new credentials, a snapshot that is
// asked for, a stop. A deletion that a snapshot has found is told of by then, and waits on
// unless the stream is to stop.

// Bucket is a token bucket; ratelimit.Bucket is one.
type Bucket interface {
	// Missing returns how long after now there is a token; 0: there is one.
	Missing(now time.Time) time.Duration
	// Spend takes one token, also one that is not there yet.
	Spend(now time.Time)
}

// Throttle is the limit of one resource of a cluster, which all streams of the resource share.
// Its methods may be called by any goroutine, and do not block.
type Throttle struct {
	bucket Bucket

	mu      sync.Mutex
	changed chan struct{} // closed when the limit changes; nil: nobody waits for that
}

// NewThrottle returns the limit that a bucket says.
func NewThrottle(b Bucket) *Throttle { return &Throttle{bucket: b} }

// Changed has those that wait for a token ask again. It is called after the limit of the bucket
// was changed or ended, or when some may need no token any more.
func (t *Throttle) Changed() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.changed != nil {
		close(t.changed)
		t.changed = nil
	}
}

// wait returns how long there is no token, and what is closed when that changes.
func (t *Throttle) wait() (d time.Duration, changed <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if d = t.bucket.Missing(time.Now()); d > 0 && t.changed == nil {
		t.changed = make(chan struct{})
	}
	return d, t.changed
}

// SetThrottles says which resources of the stream's cluster have a limit, until it is called
// again; the map is not changed after. It may be called from any goroutine and does not block. A
// throttle that is left out must be one without a limit by then, so that nobody waits for it.
func (s *Stream) SetThrottles(of map[string]*Throttle) { s.throttles.Store(&of) }

// throttle returns the limit of a resource; nil: it has none.
func (s *Stream) throttle(resource string) *Throttle {
	if of := s.throttles.Load(); of != nil {
		return (*of)[resource]
	}
	return nil
}

// lacksToken returns how long there is no token for a resource, and what is closed when that may
// have changed; 0: there is one, or none is needed. With watched it is for the next frame of a watch.
func (a *attempt) lacksToken(resource string, watched bool) (wait time.Duration, changed <-chan struct{}) {
	t := a.throttle(resource)
	if t == nil {
		return 0, nil
	}
	// Before it is asked: what changes in between is heard of.
	wait, changed = t.wait()
	if wait > 0 && watched && !a.owesToken("") {
		return 0, nil
	}
	return wait, changed
}

// awaitToken returns when the limit of a resource, if it has one, lets a change through, or none is
// needed any more. It takes no token. It fails when ctx ends, which is the attempt's or a.running:
// nothing has been read that would have to be handed over first. With watched it is for the next
// frame of a watch.
func (a *attempt) awaitToken(ctx context.Context, resource string, watched bool) error {
	wait, changed := a.lacksToken(resource, watched)
	if wait == 0 {
		return nil
	}
	began := time.Now()
	defer func() { a.waited += time.Since(began) }()
	a.spill.Drop() // the last frame has been dealt with, and others may want the memory
	a.watchdog.block()
	defer a.watchdog.unblock()
	a.progress.limited.begin(a.reader)
	defer a.progress.limited.end(a.reader)
	for wait > 0 {
		due := time.NewTimer(wait)
		select {
		case <-due.C:
		case <-changed:
		case <-ctx.Done():
		}
		due.Stop()
		if err := a.running.Err(); err != nil {
			return a.endedBy(err)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx) // the attempt is cut
		}
		wait, changed = a.lacksToken(resource, watched)
	}
	return nil
}

// spendToken takes the token for a change of a resource, and reports whether that has a limit.
func (a *attempt) spendToken(resource string) bool {
	t := a.throttle(resource)
	if t != nil {
		t.bucket.Spend(time.Now())
	}
	return t != nil
}

// waits adds up for how long the readers of a stream wait for tokens. The sum never falls, as it
// is a counter for those who look. The zero value is ready for use, by any goroutine.
type waits struct {
	mu   sync.Mutex
	over time.Duration         // of the waits that are over
	now  map[*reader]time.Time // since when they wait, of those that do
}

func (w *waits) begin(r *reader) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.now == nil {
		w.now = map[*reader]time.Time{}
	}
	w.now[r] = time.Now()
}

func (w *waits) end(r *reader) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over += time.Since(w.now[r])
	delete(w.now, r)
}

// tell says in a status since when readers wait, and for how long they have.
func (w *waits) tell(st *Status) {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := w.over
	for _, since := range w.now {
		all += time.Since(since)
		if st.LimitedSince.IsZero() || since.Before(st.LimitedSince) {
			st.LimitedSince = since
		}
	}
	st.LimitedSeconds = all.Seconds()
	if !st.LimitedSince.IsZero() && st.State == member.Live && st.Reason == "" {
		st.Reason = reasonLimited
	}
}

// reasonLimited is the reason of a live stream that waits for a token.
var reasonLimited = limited.String()

// moved has the other readers, if they wait for a token, ask again whether they owe one: the main
// reader has come further.
func (r *reader) moved() {
	if r.target == nil || r.Stream.main.Load() != r {
		return
	}
	if t := r.throttle(r.target.name); t != nil {
		t.Changed()
	}
}

// owesToken reports whether what a reader reads takes a token: not if the main reader has read
// it, and taken one for what it has delivered of it. So a route that was behind comes up to the
// others, however few tokens there are. It is of the change with that version or, if that is
// empty, of the next one.
func (r *reader) owesToken(version string) bool {
	main := r.Stream.main.Load()
	if r.throttle(r.target.name) == nil || main == r || main == nil {
		return true
	}
	next := version == ""
	if next {
		r.mu.Lock()
		version = r.position.at
		r.mu.Unlock()
	}
	at := number(version)
	main.mu.Lock()
	defer main.mu.Unlock()
	has := number(main.position.at)
	return at == 0 || !main.position.open || has < at || next && has == at
}
