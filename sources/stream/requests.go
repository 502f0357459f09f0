package stream

import (
	"context"
	"sync"

	"github.com/fairlead-dev/fairlead/sources/member"
)

// snapshotRequests are the snapshots that were asked for from outside. Those that come while
// one of their kind is under way become one more after it.
type snapshotRequests struct {
	mu     sync.Mutex
	wanted [numSnapshotReasons]bool
	cut    context.CancelCauseFunc // ends the watch under way; nil: there is none
	stop   context.CancelCauseFunc // ends the attempt under way, whatever it waits for; nil: there is none
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
	s.raiseDue(func(*branch) bool { return true })
	return s.askForReplay()
}

// raiseDue makes everything due for the branches that are meant.
func (s *Stream) raiseDue(meant func(*branch) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.branches {
		switch {
		case !meant(b):
		case b.cursor != nil:
			b.cursor.RaiseDue()
		default:
			s.ledger.RaiseDueOf(s.cluster, s.name, b.route.Name)
		}
	}
}

// askForReplay has a snapshot begin that delivers what is due, and returns what for the
// stream waits before, if it does.
func (s *Stream) askForReplay() (waits string) {
	for _, r := range s.allReaders() {
		r.requests.add(replayed)
	}
	if st := s.Status(); st.State == member.Waiting {
		return st.Reason
	}
	return ""
}

// add asks for a snapshot and ends the watch for it.
func (d *snapshotRequests) add(why snapshotReason) {
	d.mu.Lock()
	d.wanted[why] = true
	d.mu.Unlock()
	d.cutWatch()
}

// cutWatch ends the watch; another one follows from where it was.
func (d *snapshotRequests) cutWatch() {
	d.mu.Lock()
	cut := d.cut
	d.cut = nil
	d.mu.Unlock()
	if cut != nil {
		cut(errRequested)
	}
}

// attempting says that stop ends an attempt that begins now; nil: it has ended.
func (d *snapshotRequests) attempting(stop context.CancelCauseFunc) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stop = stop
}

// stopAttempt ends the attempt, also while it waits for a queue or for memory.
func (d *snapshotRequests) stopAttempt() {
	d.mu.Lock()
	stop := d.stop
	d.mu.Unlock()
	if stop != nil {
		stop(errRequested)
	}
}

// any reports whether a snapshot is wanted.
func (d *snapshotRequests) any() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.wanted != [numSnapshotReasons]bool{}
}

// take returns what is wanted, which the caller's snapshot will serve.
func (d *snapshotRequests) take() [numSnapshotReasons]bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cut = nil
	wanted := d.wanted
	d.wanted = [numSnapshotReasons]bool{}
	return wanted
}

// watching says that cut ends a watch that begins now. It fails if there must
// not be one, because a snapshot is wanted.
func (d *snapshotRequests) watching(cut context.CancelCauseFunc) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.wanted != [numSnapshotReasons]bool{} {
		return errRequested
	}
	d.cut = cut
	return nil
}

// notWatching says that the watch has ended.
func (d *snapshotRequests) notWatching() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cut = nil
}

// takeRequests takes the requests that the snapshot which begins now serves.
func (a *attempt) takeRequests() {
	wanted := a.requests.take()
	for why, is := range wanted {
		if is { // the last one is the one that asks for most
			a.snapshotReason = snapshotReason(why)
		}
	}
}
