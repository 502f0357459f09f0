package ledger

import (
	"iter"
	"strconv"
)

// lookedAtOnce is how many objects a sweep looks at before it lets others have the
// cursor's lock.
const lookedAtOnce = 512

// EndSnapshot ranges over a tombstone for every known object that the snapshot,
// taken at resourceVersion, did not hold. Each is pending from when it is ranged
// over, so that no more are than the stream can hand over; workers go on meanwhile.
// Once all have been handed over, the stream calls Seen. One that breaks off, or is
// interrupted before Seen, starts over with BeginSnapshot: until then the resume
// point stays where it is.
func (c *Cursor) EndSnapshot(resourceVersion string) iter.Seq[Tombstone] {
	return func(yield func(Tombstone) bool) {
		s := &sweep{Cursor: c, version: resourceVersion}
		s.run(yield)
	}
}

// Retire ranges over a tombstone for every object that a sink may hold, with the
// newest version that the cursor knows of. It is for a cluster that another one
// has replaced: the stream hands the tombstones over, and drops the cursor once
// Unacked is 0. Each is pending from when it is ranged over. A stream that breaks
// off, or is interrupted before all are acked, calls Retire again and gets those that
// are not on their way: neither acked nor begun by a worker. Should the cluster come
// back after all, it takes a snapshot to go on, in which everything is due. It is also
// for what nobody follows any more, see Unwatched.
func (c *Cursor) Retire() iter.Seq[Tombstone] {
	return func(yield func(Tombstone) bool) {
		s := &sweep{Cursor: c, retiring: true}
		s.run(yield)
	}
}

// sweep tells of the objects that do not bear the cursor's epoch: which a snapshot
// has not listed, and which have not been told of or observed since it ended.
//
// The lock is held for so many objects at a time, so what is known changes
// meanwhile. Nothing is missed for that: objects are looked at where they may come
// from before where they may go to. What is pending is acked in the end, and an unacked
// UID becomes pending and then acked; the acked states are walked over downwards,
// which misses none (see objects.at). What comes from there is pending, and bears
// the epoch, since all that is observed during a sweep does.
type sweep struct {
	*Cursor
	version  string
	at       rv   // the version
	retiring bool // everything is gone

	looked, most int // objects since the lock was taken, and the most that there were
}

func (s *sweep) run(yield func(Tombstone) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lostLocked() {
		return
	}
	s.sweep, s.reobserved = s, nil
	defer func() {
		if s.sweep == s {
			s.sweep = nil
		}
	}()
	if s.retiring {
		if !s.findNewest() {
			return
		}
		s.nextEpochLocked()
		s.tellAllLocked()
	} else {
		s.at = parseRV(s.version)
		s.sweptAt, s.sweptSequence = s.at, s.numbers.last
		if s.newest.after(s.at) {
			s.undoneLocked(s.at)
		}
		s.seenLocked(s.at) // what is told from here on has that version, whatever ends this
		if s.last != "" && !parseRV(s.last).notAfter(s.at) {
			// The history was undone: its cluster was restored from a backup. A watch
			// from there would leave out what this history has before it. Until all
			// of the snapshot is acked, only another snapshot will do.
			s.invalidateResumePointLocked()
		}
		if s.passed.after(s.at) {
			s.passed = s.at // deletions of this history are to be kept from here on
		}
	}
	if s.lookAtPending(yield) && s.lookAtUnacked(yield) && s.lookAtAcked(yield) && !s.retiring {
		s.swept = s.forgetUndone()
	}
}

func (s *sweep) lookAtPending(yield func(Tombstone) bool) bool {
	for n, p := range s.pending {
		if !s.retiring && !p.rv.notAfter(s.at) {
			p.rv = 0 // of a history that was undone, see forgetUndone
		}
		if !s.look(n, yield) {
			return false
		}
	}
	return true
}

func (s *sweep) lookAtUnacked(yield func(Tombstone) bool) bool {
	for n := range s.unackedUIDs {
		if !s.look(n, yield) {
			return false
		}
	}
	return true
}

func (s *sweep) lookAtAcked(yield func(Tombstone) bool) bool {
	for i := s.acked.len(); i > 0; i = min(i-1, s.acked.len()) {
		if o := s.acked.at(uint32(i - 1)); o.epoch != s.epoch {
			if !s.look(o.name, yield) {
				return false
			}
		} else if !s.next() {
			return false
		}
	}
	return true
}

// forgetUndone forgets deletions with versions behind the snapshot's. They are of
// a history that was undone, and the same numbers may be used again.
func (s *sweep) forgetUndone() bool {
	for n, gone := range s.deleted {
		if !gone.notAfter(s.at) {
			delete(s.deleted, n)
			s.touchLocked(n)
			s.leftLocked([]byte(n))
		}
		if !s.next() {
			return false
		}
	}
	return true
}

// findNewest takes the newest version that the cursor knows of, "0" if it knows
// none.
func (s *sweep) findNewest() bool {
	last := s.last
	if s.at = parseRV(last); s.at&unordered != 0 {
		s.at = 0
	}
	for i := s.acked.len(); i > 0; i = min(i-1, s.acked.len()) {
		if o := s.acked.at(uint32(i - 1)); o.rv&unordered == 0 {
			s.at = max(s.at, o.rv)
		}
		if !s.next() {
			return false
		}
	}
	s.at = max(s.at, s.newest) // so that one who ranges again has the same version
	if s.version = last; s.at != 0 || last == "" {
		s.version = strconv.FormatUint(uint64(s.at), 10)
	}
	s.at = parseRV(s.version)
	return true
}

// look tells of an object if it is missing. It returns false when the sweep is over.
func (s *sweep) look(n name, yield func(Tombstone) bool) bool {
	u, missing := s.missing(n)
	if !missing {
		return s.next()
	}
	whole, _ := n.split()
	sequence := s.pendLocked([]byte(n), s.pending[n], version{u, s.at}, true, true)
	gone := Tombstone{
		Name:       whole,
		Version:    Version{s.formatLocked(u), s.version},
		Sequence:   sequence,
		Generation: s.head.Generation,
		Paid:       s.pending[n].paid,
	}
	return s.tell(gone, yield)
}

// missing reports whether an object is not there any more, and with which UID sinks
// hold it.
func (s *sweep) missing(n name) (u uid, missing bool) {
	if p := s.pending[n]; p != nil {
		// A deletion that a worker has begun is on its way: who tells it again has the
		// sink told twice. If the sink refuses it, it comes back to the queue, where only a
		// newer change of its object takes its place, which waits here then; no other
		// cluster's does, as nothing of that is offered before leave is taken of this one.
		// One that waits may never have reached the queue, when a stream was interrupted
		// between observing and offering it.
		onItsWay := p.deleted && !p.waiting.listed()
		return p.latest, p.epoch != s.epoch && !onItsWay
	}
	if o := s.acked.get([]byte(n)); o != nil {
		return o.uid, o.epoch != s.epoch
	}
	held := s.unackedUIDs[n]
	return held[len(held)-1].uid, true
}

// next lets others have the lock from time to time. It returns false when the sweep
// is over: the cursor was rewound, or begins another snapshot.
func (s *sweep) next() bool {
	s.looked++
	if s.most = max(s.most, s.looked); s.looked < lookedAtOnce {
		return true
	}
	s.looked = 0
	s.mu.Unlock()
	s.mu.Lock()
	return s.sweep == s
}

// tell is yield without the lock. It returns false when the sweep is over.
func (s *sweep) tell(gone Tombstone, yield func(Tombstone) bool) (goOn bool) {
	s.looked = 0
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		goOn = goOn && s.sweep == s
	}()
	return yield(gone)
}
