package stream

import (
	"context"
	"sync"

	"github.com/fairlead-dev/fairlead/sources/member"
)

// demands are the snapshots that others have asked for. Those that come while
// one of their kind is under way become one more after it.
type demands struct {
	mu     sync.Mutex
	wanted [numCauses]bool
	cut    context.CancelCauseFunc // ends the watch under way; nil: there is none
}

// Replay has the stream deliver the current state of all its objects again, as
// a snapshot, and tombstones for those it did not know to be gone. It returns
// at once; the snapshot begins as soon as the member can be reached. What is
// accepted meanwhile counts, also when the snapshot is interrupted; once the
// ledger is flushed, a restart of the process goes on with it. If it
// cannot begin, because the stream waits for something that only the member or an
// operator can change, it returns what for, in a few words. It may be called from
// any goroutine.
func (s *Stream) Replay() (waits string) {
	s.mu.Lock()
	for _, b := range s.branches {
		if b.cursor != nil {
			b.cursor.RaiseDue()
		} else {
			b.replay = true
		}
	}
	s.mu.Unlock()
	for _, r := range s.allReaders() {
		r.demands.add(replayed)
	}
	if st := s.Status(); st.State == member.Waiting {
		return st.Reason
	}
	return ""
}

// add asks for a snapshot and ends the watch for it.
func (d *demands) add(why cause) {
	d.mu.Lock()
	d.wanted[why] = true
	d.mu.Unlock()
	d.again()
}

// again ends the watch, for another one from where it was.
func (d *demands) again() {
	d.mu.Lock()
	cut := d.cut
	d.cut = nil
	d.mu.Unlock()
	if cut != nil {
		cut(errRequested)
	}
}

// any reports whether a snapshot is wanted.
func (d *demands) any() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.wanted != [numCauses]bool{}
}

// take returns what is wanted, which the caller's snapshot will serve.
func (d *demands) take() [numCauses]bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cut = nil
	wanted := d.wanted
	d.wanted = [numCauses]bool{}
	return wanted
}

// watching says that cut ends a watch that begins now. It fails if there must
// not be one, because a snapshot is wanted.
func (d *demands) watching(cut context.CancelCauseFunc) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.wanted != [numCauses]bool{} {
		return errRequested
	}
	d.cut = cut
	return nil
}

// notWatching says that the watch has ended.
func (d *demands) notWatching() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cut = nil
}

// demand settles what the snapshot that begins now is for.
func (a *attempt) demand() {
	wanted := a.demands.take()
	for why, is := range wanted {
		if is { // the last one is the one that asks for most
			a.cause = cause(why)
		}
	}
}
