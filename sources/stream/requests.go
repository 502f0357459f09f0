package stream

import (
	"context"
	"slices"
	"sync"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// snapshotRequests are the snapshots that were asked for from outside. Those that come while
// one of their kind is under way become one more after it.
type snapshotRequests struct {
	mu     sync.Mutex
	wanted [numSnapshotReasons]bool
	apart  bool                    // some of the reader's branches want one, and are to leave it
	cut    context.CancelCauseFunc // ends the watch under way; nil: there is none
	stop   context.CancelCauseFunc // ends the attempt under way, whatever it waits for; nil: there is none
}

// Replay has the stream deliver the current state of all its objects again, as
// a snapshot, and tombstones for those it did not know to be gone. It returns
// at once; the snapshot begins as soon as the member can be reached. What is
// accepted meanwhile counts, also when the snapshot is interrupted; once the
// ledger is flushed, a restart of the process goes on with it. If it
// cannot begin, because the stream waits for something that only the member or an
// operator can change, it returns what for, in a few words. It fails, and nothing is
// replayed, if the member has not been reached since the start and the ledger keeps too
// many replays of such. It may be called from any goroutine.
func (s *Stream) Replay() (waits string, err error) {
	all := func(*branch) bool { return true }
	if err := s.raiseDue(all); err != nil {
		return "", err
	}
	return s.askForReplay(all), nil
}

// raiseDue makes everything due for the branches that are meant, or nothing.
func (s *Stream) raiseDue(meant func(*branch) bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var cursors []*ledger.Cursor
	var unclaimed []string
	for _, b := range s.branches {
		switch {
		case !meant(b):
		case b.cursor != nil:
			cursors = append(cursors, b.cursor)
		default:
			unclaimed = append(unclaimed, b.route.Name)
		}
	}
	if len(unclaimed) > 0 {
		if err := s.ledger.RaiseDueOf(s.cluster, s.name, unclaimed...); err != nil {
			return err
		}
	}
	for _, c := range cursors {
		c.RaiseDue()
	}
	return nil
}

// askForReplay has a snapshot begin that delivers what is due for the branches that are
// meant, and returns what for the stream waits before, if it does. Branches that share a
// reader with others leave it for that, and the others go on with a watch from where they
// are.
func (s *Stream) askForReplay(meant func(*branch) bool) (waits string) {
	s.askReaders(meant)
	if st := s.Status(); st.State == member.Waiting {
		return st.Reason
	}
	return ""
}

// askReaders holds Stream.mu all the while, so that no branch joins another reader.
func (s *Stream) askReaders(meant func(*branch) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.branches {
		if meant(b) {
			b.replays = true
		}
	}
	for _, r := range s.readers {
		all := r.branches()
		others := slices.DeleteFunc(slices.Clone(all), meant)
		switch {
		case len(others) == 0:
			r.requests.add(replayed)
		case len(others) < len(all):
			r.requests.part()
		}
	}
}

// part has the branches that need a snapshot leave the reader.
func (d *snapshotRequests) part() {
	d.mu.Lock()
	d.apart = true
	d.mu.Unlock()
	d.cutWatch()
}

// parted says that those who need one have left, or do so when their positions are asked for
// next.
func (d *snapshotRequests) parted() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.apart = false
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

// any reports whether a snapshot is wanted for all branches.
func (d *snapshotRequests) any() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.wanted != [numSnapshotReasons]bool{}
}

// ends reports whether there is to be no watch before some or all branches have a snapshot.
func (d *snapshotRequests) ends() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.endsLocked()
}

func (d *snapshotRequests) endsLocked() bool {
	return d.apart || d.wanted != [numSnapshotReasons]bool{}
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
	if d.endsLocked() {
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
	s := a.Stream
	s.mu.Lock()
	for _, b := range a.branches() {
		wanted[replayed] = wanted[replayed] || b.replays
		b.replays = false
	}
	s.mu.Unlock()
	for why, is := range wanted {
		if is { // the last one is the one that asks for most
			a.snapshotReason = snapshotReason(why)
		}
	}
}
