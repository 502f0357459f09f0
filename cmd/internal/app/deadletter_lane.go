package app

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"time"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks/deadletter"
	"github.com/fairlead-dev/fairlead/sources/stream"
)

// letterLane are the letters of one sink and one cluster, which one goroutine offers, in the
// order of the file. It waits for no other lane but for the memory of a record.
//
//	first ──▶ each record in turn: sent, kept, superseded or deferred
//	again ──▶ what is deferred, once a second, for a minute
//	wait  ──▶ until what was sent is settled
//	end   ──▶ what is kept is in the file again; another retry may take the lane
type letterLane struct {
	r   *resending
	of  deadletter.Lane
	all []deadletter.Entry // of first and again

	whys []error // why letters are deferred

	mu     sync.Mutex // before that of r
	n      int        // len(all)
	counts letterCounts
	is     []letterState // of each; nil after the end
	// sent has what is under way, sending what is being offered, offered digests of the
	// events that were sent.
	sent    map[letterKey][]*letter
	sending *letter
	offered map[letterID]struct{}
	// settleAt is how long sent becomes before what is settled is dropped from it.
	settleAt int
}

// leastSettled is the least for that.
const leastSettled = 1024

// letterState is what became of a letter.
type letterState uint8

const (
	onItsWay letterState = iota
	isGone               // delivered, refused again or superseded
	isKept
)

// letterCounts count what became of letters.
type letterCounts struct{ delivered, refusedAgain, superseded, kept int }

// results are the counts by the label of the metric.
func (c letterCounts) results() map[string]int {
	return map[string]int{"delivered": c.delivered, "refused_again": c.refusedAgain, "superseded": c.superseded, "kept": c.kept}
}

// letterKey is what a sink refuses.
type letterKey struct {
	sink string
	key  pipeline.Key
	uid  string
}

// letterID is a digest of the sink and the event of a record. Of a state it is the same in every
// generation: behind a deletion it is sent in another one, and a sink that refuses it all the
// same makes one more record of it each time. Of a deletion it is that of the event: one that
// was refused again has a record of its own, while notedGhosts still knows the one before.
type letterID [16]byte

func keyOf(r *deadletter.Record) letterKey { return letterKey{r.Sink, r.Event.Key(), r.Event.UID()} }

func letterIDOf(r *deadletter.Record) letterID {
	e, state := &r.Event, r.Event.ID
	if e.Op() != pipeline.Deleted {
		state = e.Key().String() + " " + e.UID() + " " + e.ResourceVersion
	}
	sum := sha256.Sum256([]byte(r.Sink + "\x00" + e.Source + " " + state))
	return letterID(sum[:16])
}

// letter is a record on its way to the sinks.
type letter struct {
	i       int // its place in the lane
	key     letterKey
	retried *ledger.Redelivery
	refused bool        // by a sink, again
	ghost   *notedGhost // unless nil, it goes before the state of another object of its name
	until   time.Time   // how long a ghost is waited for
}

// newLetterLane returns one of which nothing has been offered yet. For each letter it takes some
// 20 bytes of memory, and up to 40 more once it is sent, until it ends.
func newLetterLane(r *resending, of deadletter.Lane, all []deadletter.Entry) *letterLane {
	return &letterLane{
		r: r, of: of, all: all, n: len(all), is: make([]letterState, len(all)),
		sent: map[letterKey][]*letter{}, offered: map[letterID]struct{}{}, settleAt: leastSettled,
	}
}

// run returns when it is known what became of all letters, or ctx ends. The error says that
// those which are kept could not be put back.
func (l *letterLane) run(ctx context.Context) error {
	s := newShare(l.r.room)
	deferred := l.first(ctx, s)
	l.again(ctx, s, deferred)
	s.giveBack()
	l.wait(ctx)
	return l.end(ctx)
}

// first offers each record until it is sent, or it is known why it is not. It returns those
// that are to be offered again.
func (l *letterLane) first(ctx context.Context, s *share) (deferred []deferral) {
	for i := 0; i < len(l.all) && ctx.Err() == nil; {
		why := l.offer(ctx, s, i, l.send)
		if errors.Is(why, errGivesWay) {
			sleep(ctx, s.giveWay())
			continue
		}
		if why != nil {
			deferred = append(deferred, l.deferral(i, why))
		}
		s.handedOver()
		i++
	}
	return deferred
}

// send offers a record for the first time. It fills in what of the letter is not there yet.
func (l *letterLane) send(ctx context.Context, record *deadletter.Record, to *letter) (err error) {
	if to.ghost = l.r.ghosts.of(record); to.ghost != nil {
		to.retried, to.until = to.ghost.retried, time.Now().Add(againFor)
		return nil
	}
	to.retried, err = l.r.to.Redeliver(ctx, record.Sink, &record.Event)
	return err
}

// offer reads a record and has send offer it. It returns why it is to be offered again; nil if
// it is not, or ctx has ended. What is in the file twice is sent once.
func (l *letterLane) offer(ctx context.Context, s *share, i int, send func(context.Context, *deadletter.Record, *letter) error) error {
	if s.hold(ctx, l.all[i].Size()) != nil {
		return l.noteOffer(ctx, i, context.Cause(ctx))
	}
	record, err := l.r.taken.Record(l.of, l.all[i])
	if err != nil {
		return l.noteOffer(ctx, i, err)
	}
	id, to := letterIDOf(&record), &letter{i: i, key: keyOf(&record)}
	l.mu.Lock()
	_, twice := l.offered[id]
	if !twice {
		l.sending = to // a sink may refuse it before send has returned
	}
	l.mu.Unlock()
	if twice {
		return l.noteOffer(ctx, i, stream.ErrSuperseded)
	}
	handing, done := s.patient(ctx)
	defer done()
	if err = send(handing, &record, to); errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		if handing.Err() != nil {
			err = context.Cause(handing)
		}
	}
	l.mu.Lock()
	l.sending = nil
	if err == nil {
		l.settleLocked(to.key)
		l.sent[to.key] = append(l.sent[to.key], to)
		l.offered[id] = struct{}{}
		if len(l.sent) >= l.settleAt { // seldom enough to look at each a few times only
			l.settleAllLocked()
			l.settleAt = max(leastSettled, 2*len(l.sent))
		}
	}
	l.mu.Unlock()
	return l.noteOffer(ctx, i, err)
}

// noteOffer notes what came of an offer, and returns why the record is to be offered again.
func (l *letterLane) noteOffer(ctx context.Context, i int, err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err == nil:
	case errors.Is(err, stream.ErrSuperseded):
		l.counts.superseded++
		l.is[i] = isGone
	case errors.Is(err, stream.ErrNameTaken), errors.Is(err, stream.ErrNotNow), errors.Is(err, errGivesWay):
		return err
	case ctx.Err() != nil && !errors.Is(context.Cause(ctx), errNotWithin):
		// It is left as it is.
	default:
		l.keepLocked(i, err)
	}
	return nil
}

func (l *letterLane) keepLocked(i int, why error) {
	l.counts.kept++
	l.is[i] = isKept
	l.r.reason(why)
}

// refused notes that a sink's change of an object was dead-lettered.
func (l *letterLane) refused(key letterKey) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, of := range l.sent[key] {
		if isOpen(of.retried.Settled()) { // else it is of the state that came behind it
			of.refused = true
		}
	}
	if l.sending != nil && l.sending.key == key {
		l.sending.refused = true
	}
}

// look returns how many letters there are, and what became of them. Of those that are under way
// it asks about no more names than limit, any of them, and takes these off it: the others count
// as under way.
func (l *letterLane) look(limit *int) (n int, counts letterCounts) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for key := range l.sent { // begins anywhere
		if *limit <= 0 {
			break
		}
		*limit--
		l.settleLocked(key)
	}
	return l.n, l.counts
}

// end counts what is not settled as kept. If ctx has ended, that is for the next process, or the
// next settings, and stays where it is.
func (l *letterLane) end(ctx context.Context) error {
	l.mu.Lock()
	l.settleAllLocked()
	for i, is := range l.is {
		if is == onItsWay {
			l.keepLocked(i, errStops)
		}
	}
	is := l.is
	l.all, l.is, l.sent, l.offered = nil, nil, nil, nil // the counts are asked for until the retry ends
	l.mu.Unlock()
	return l.r.taken.Finish(ctx, l.of, func(i int) bool { return is[i] == isKept })
}

// sleep returns after d, or when ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
