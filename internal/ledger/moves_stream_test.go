package ledger

import (
	"iter"
	"strconv"
	"strings"
)

// moveStream is the stream of a namespace, "" for all.
type moveStream struct {
	*movesHistory
	namespace string
	selection string
	cursor    *Cursor
	former    []*Cursor // of clusters before, whose deletions come first
	started   bool      // since it was claimed
	listing   bool
	page      []routed
	at, last  int // versions of the snapshot, and of the newest frame

	next func() (Tombstone, bool) // of a sweep, or of a former cursor; nil: none is under way
	stop func()
}

// breakOff ends what is under way.
func (s *moveStream) breakOff() {
	if s.next != nil {
		s.stop()
		s.next = nil
	}
	s.started, s.listing, s.page = false, false, nil
}

func (s *moveStream) step() {
	srv := s.server
	switch {
	case len(s.lane) >= movesLane:
	case len(s.former) > 0:
		s.clear()
	case !s.started:
		s.started = true
		if rv, ok := s.cursor.Start(); ok {
			if s.last = s.number(rv); srv.compacted <= s.last && s.last <= srv.rv {
				return
			}
		}
		s.beginSnapshot()
	case s.listing && len(s.page) > 0:
		s.observe(s.page[0], true)
		s.page = s.page[1:]
	case s.listing:
		s.sweep()
	case s.last < srv.compacted || s.last > srv.rv || s.cursor.needsSnapshot:
		s.beginSnapshot()
	default:
		if x, ok := srv.next(s.last, s.namespace); ok {
			s.observe(x, false)
			s.last = x.rv
			s.cursor.Seen(strconv.Itoa(s.last))
		} else if s.resting || s.r.Float64() < 0.3 {
			s.last = srv.rv
			s.cursor.Seen(strconv.Itoa(s.last))
			s.cursor.CaughtUp()
		}
	}
}

func (s *moveStream) beginSnapshot() {
	s.cursor.BeginSnapshot()
	s.listing, s.at, s.page = true, s.server.rv, s.server.list(s.r, s.namespace)
}

func (s *moveStream) observe(x routed, snapshot bool) {
	if snapshot {
		s.noteRevived(x)
	}
	o := s.cursor.ObserveState(moveName(x.key), State{
		Version: x.version(), Deleted: x.deleted, Snapshot: snapshot, Outside: !strings.Contains(s.selection, x.colour),
	}, nil)
	if o.Verdict == Deliver {
		x.deleted = x.deleted || !strings.Contains(s.selection, x.colour)
		x.sequence, x.generation, x.replays, x.cursor, x.listed = o.Sequence, o.Generation, s.sink.asked, s.cursor, snapshot
		s.offer(x)
	}
}

// noteRevived notes that a restored backup shows what the sink was told to be gone, and that is
// forgotten: it has the id that it had, and a sink that drops repeats drops it.
func (s *moveStream) noteRevived(x routed) {
	n := nameOfTest(moveName(x.key))
	if c := s.cursor; s.sink.gone[x.uid] && s.restored && c.pending[n] == nil && c.acked.get([]byte(n)) == nil && c.deleted[n] == 0 {
		s.revived = true
	}
}

// sweep takes the next tombstone of a snapshot, or ends that.
func (s *moveStream) sweep() {
	if s.next == nil {
		s.next, s.stop = iter.Pull(s.cursor.EndSnapshot(strconv.Itoa(s.at)))
	}
	if d, ok := s.next(); ok {
		s.offerTombstone(d, s.cursor)
		return
	}
	s.next, s.listing, s.last = nil, false, s.at
	s.cursor.Seen(strconv.Itoa(s.at))
}

// clear tells what there was in a former cluster to be gone.
func (s *moveStream) clear() {
	c := s.former[0]
	if !s.started {
		s.started = true
		s.next, s.stop = iter.Pull(c.Retire())
	}
	if s.next != nil {
		if d, ok := s.next(); ok {
			s.offerTombstone(d, c)
			return
		}
		s.next = nil
	}
	if c.Unacked() > 0 {
		return
	}
	if n := c.Stats().Known; n != 0 && c.Owned() {
		s.t.Errorf("%d objects of a former cluster are left", n)
	}
	s.ledger.Retired(c, s.cursor)
	s.former, s.started = s.former[1:], false
}
