package stream

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/pipeline/budget"
)

// branch is what a stream has of one route: its cursor, and who reads for it.
//
//	                 ┌── branch audit: cursor ──▶ its queue
//	reader (main) ───┤
//	                 └── branch alerts: cursor ──▶ its queue
//	reader ────────────── branch archive (behind): cursor ──▶ its queue
//
// Those in step share the main reader. One that has no room for too long leaves
// it, with its own position, and reads for itself once it has room and its turn has
// come (see turns). When it has caught up with the main reader it joins that again. So
// an extra watch exists only while a route is behind. A branch that is alone with its
// reader blocks it.
type branch struct {
	route   Route
	acks    *ackSignal
	rereads rereadQueue // guarded by Stream.mu
	blocked moment      // since when a change waits for room in the lane; zero: none does

	// What follows belongs to the reader that reads for it.
	id           ledger.StreamID
	predecessors []*ledger.Cursor // cursors of clusters that had this name before; see retire
	origin       *pipeline.Origin
	skip         uint64 // frames up to this version have been dealt with
	framed       bool   // skip is the version of a frame, not of a bookmark or a list
	hold         hold
	lacked       int // bytes of memory that it has waited for last in vain

	// Guarded by Stream.mu. Only the reader changes cursor, so that it may look at
	// it without.
	account  *budget.Account // of the route's memory; opened when Run begins
	cursor   *ledger.Cursor  // nil until it is claimed
	rules    rules           // the reader's as cursor is
	reader   *reader         // nil: it waits for room, or for a watch
	behind   string          // why it is; "": in step
	replays  bool            // a snapshot is asked for, whatever its position
	sinceRun time.Time       // since when it is in step, or behind
}

func newBranch(route Route) *branch {
	return &branch{route: route, sinceRun: time.Now(), hold: newHold(), acks: newAckSignal()}
}

// Why a branch is behind, as its status says.
const (
	behindFull     = "lane full"        // it had no room for too long
	behindMemory   = "no memory"        // its part of the budget was used up for too long
	behindNew      = "no position"      // it needs a snapshot, and the others do not
	behindExpired  = "position lost"    // the server does not know its position any more
	behindReplaced = "cluster_replaced" // it retires a cluster that had the name before
	behindUnread   = "no watch"         // its reader was to have none for long, and another one had
)

var (
	// errJoined ends a reader whose branches another one reads for.
	errJoined = errors.New("the route has caught up")
	// errNoRoomInLane ends one whose branch has had no room for long.
	errNoRoomInLane = errors.New("the lane has been full for long")
)

// noRoomFor is how long a branch that reads for itself may stand in front of a
// full lane before it gives its watch back.
const noRoomFor = 30 * time.Second

// begin makes Run's way of starting readers known, and returns the main one.
func (s *Stream) begin(behind func(*branch)) *reader {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.behind != nil { // it has run before, and ended in whatever way
		s.resetLocked()
	}
	s.behind = behind
	return s.main.Load()
}

// resetLocked has the main reader read for all.
func (s *Stream) resetLocked() {
	main := s.newReader(s.name, s.branches)
	s.main.Store(main)
	s.readers = []*reader{main}
	s.turns = &turns{free: s.extras}
	for _, b := range s.branches {
		b.reader, b.behind, b.sinceRun = main, "", time.Now()
	}
}

// drive runs a reader. If that leaves a branch behind, without room or because its turn is over,
// drive reads for it until it has caught up or ctx ends. Others that it leaves behind go on by
// themselves.
func (s *Stream) drive(ctx context.Context, r *reader) error {
	for {
		err := r.run(ctx)
		left := s.end(r)
		if !errors.Is(err, errNoRoomInLane) && !errors.Is(err, errTurnOver) {
			return err
		}
		for _, b := range left[1:] {
			s.behind(b)
		}
		if r, err = s.readerFor(ctx, left[0]); err != nil {
			return unlessEnded(ctx, err)
		}
	}
}

// end forgets a reader, and returns the branches that it leaves behind.
func (s *Stream) end(r *reader) []*branch {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.readers = slices.DeleteFunc(s.readers, func(other *reader) bool { return other == r && s.main.Load() != r })
	if r.extra {
		r.extra = false
		s.turns.release(r.turnEnds)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range r.inStep {
		if b.reader = nil; r.turnEnds {
			continue
		}
		b.behind, b.sinceRun = behindFull, time.Now()
		if b.lacked > 0 {
			b.behind = behindMemory
		}
	}
	return r.inStep
}

// catchUp reads for a branch that is behind until it has caught up or ctx ends.
func (s *Stream) catchUp(ctx context.Context, b *branch) error {
	r, err := s.readerFor(ctx, b)
	if err != nil {
		return unlessEnded(ctx, err)
	}
	return s.drive(ctx, r)
}

// readerFor returns a reader for a branch that is behind, once it has room, and its turn has
// come.
func (s *Stream) readerFor(ctx context.Context, b *branch) (*reader, error) {
	s.awaitResume(ctx, Held, func() {})
	if err := b.waitRoom(ctx, s.cluster); err != nil {
		return nil, err
	}
	if err := s.turns.await(ctx); err != nil {
		return nil, err
	}
	r := s.newReader(s.name+" for "+b.route.Name, []*branch{b})
	r.extra, r.turnBegan = true, time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.readers = append(s.readers, r)
	b.reader = r
	return r, nil
}

func unlessEnded(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		err = nil
	}
	return err
}

// branches returns those that the reader reads for. Others may join it meanwhile.
func (r *reader) branches() []*branch {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.inStep
}

// reads reports whether the reader still reads for a branch.
func (r *reader) reads(b *branch) bool { return slices.Contains(r.branches(), b) }

// detach makes a branch read for itself, from where it is.
func (r *reader) detach(b *branch, why string) {
	r.logOfMany().Info("A route is behind, and reads for itself until it has caught up", "route", b.route.Name, "reason", why)
	s := r.Stream
	s.mu.Lock()
	r.mu.Lock()
	r.inStep = slices.DeleteFunc(slices.Clone(r.inStep), func(other *branch) bool { return other == b })
	r.mu.Unlock()
	b.reader, b.behind, b.sinceRun = nil, why, time.Now()
	behind := s.behind
	s.mu.Unlock()
	behind(b)
}

// join hands the branches of a reader that has caught up with the main one over to
// that. It reports whether it has: then the reader is done. Where the main reader's only
// branch holds it up, or keeps it from having a watch, it is that one which is behind now.
// With several, none of them can do that for long.
func (r *reader) join() bool {
	s := r.Stream
	if s.main.Load() == r {
		return false
	}
	replaces := false
	defer func() {
		if replaces {
			r.moved() // it is further than the one that those who wait for a token have compared themselves with
		}
	}()
	s.mu.Lock()
	defer s.mu.Unlock()
	main := s.main.Load()
	if main == r || r.requests.ends() || r.labelled != s.relabelled.Load() { // else what it selects would not be the main one's
		return false
	}
	main.mu.Lock()
	defer main.mu.Unlock()
	covers := r.position.covers(main.position)
	if covers && main.blocked || len(main.inStep) == 1 && r.position.succeeds(main.position) {
		why := behindFull
		if !main.blocked {
			why = behindUnread
		}
		s.main.Store(r)
		replaces = true
		r.extra, main.extra, main.turnBegan = false, true, time.Now()
		for _, b := range r.inStep {
			b.behind, b.sinceRun = "", time.Now()
		}
		for _, b := range main.inStep {
			b.behind, b.sinceRun = why, time.Now()
		}
		return false
	}
	if !covers {
		return false
	}
	for _, b := range r.inStep {
		b.reader, b.behind, b.sinceRun = main, "", time.Now()
		b.skip, b.framed = number(r.position.at), r.position.framed
		b.cursor.Seen(main.position.at) // there was nothing in between
		r.logOfMany().Info("A route has caught up", "route", b.route.Name)
	}
	main.inStep = slices.Concat(main.inStep, r.inStep)
	r.inStep = nil
	return true
}

// reopenOthers is called when the watch of the main reader begins. Readers that are further
// open their watches again, and so check whether they can join. They checked when they had
// caught up, which may have been before this watch. Otherwise they would check at their next
// frame, which may be minutes away.
func (r *reader) reopenOthers() {
	s := r.Stream
	if len(s.branches) == 1 || s.main.Load() != r {
		return
	}
	r.mu.Lock()
	from := r.position
	r.mu.Unlock()
	for _, other := range s.allReaders() {
		other.mu.Lock()
		further := other != r && other.position.covers(from)
		other.mu.Unlock()
		if further {
			other.requests.cutWatch()
		}
	}
}

// advance says that the frame of a version is dealt with next, and returns for
// whom: who joins from here on has seen it.
func (r *reader) advance(version string, bookmark bool) []*branch {
	if len(r.Stream.branches) == 1 {
		return r.Stream.branches
	}
	defer r.moved()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.position.frame(version, bookmark)
	return r.inStep
}

// watches records from where a watch begins.
func (r *reader) watches(from string) {
	defer r.moved()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.position.session != r.session {
		r.position = position{session: r.session}
	}
	r.position.begin(from)
}

// watchesNothing records that there is no watch. With a snapshot, what comes after it may
// be of another history.
func (r *reader) watchesNothing(snapshot bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.position.end(); snapshot {
		r.position.restart()
	}
}

// has reports whether a branch has dealt with a frame before, by its place in the order
// of versions; 0: that is not known. An odd one has no version of its own: who came as
// far by a bookmark or a list may have missed it.
func (b *branch) has(place uint64, odd bool) bool {
	if odd && b.skip > 0 && !b.framed {
		return false
	}
	if place != 0 && place <= b.skip {
		return true
	}
	b.skip = 0
	return false
}

// start returns the version from which a watch brings what every branch lacks; not
// ok if only a snapshot will do. Where some have a position, those that have none
// leave.
func (r *reader) start() (from string, ok bool) {
	all := r.branches()
	if len(all) == 1 {
		all[0].skip = 0
		return r.startOf(all[0])
	}
	starts := make([]string, len(all))
	some := false
	for i, b := range all {
		if at, ok := r.startOf(b); ok {
			starts[i], some = at, true
		}
	}
	if !some {
		return "", false
	}
	for i, b := range all {
		switch at := starts[i]; {
		case at == "":
			b.skip = 0
			r.detach(b, behindNew)
		case from == "" || from != at && number(at) < number(from):
			from = at
		}
	}
	for i, b := range all {
		switch at := starts[i]; {
		case at == "": // it has left
		case at == from:
			b.skip = 0
		case number(at) == 0 || number(from) == 0: // no one can tell which is behind
			r.detach(b, behindNew)
		default:
			b.skip, b.framed = number(at), false
		}
	}
	return from, true
}

// startOf returns from where a branch may go on; not ok if only a snapshot will do.
func (r *reader) startOf(b *branch) (from string, ok bool) {
	r.Stream.mu.Lock()
	replays := b.replays
	r.Stream.mu.Unlock()
	if replays {
		return "", false
	}
	return b.cursor.Start()
}

// leaveExpired lets those go that are furthest behind, of several; it reports
// whether others go on from a later position.
func (r *reader) leaveExpired(from string) bool {
	all := r.branches()
	var late []*branch
	for _, b := range all {
		if at, ok := b.cursor.Start(); !ok || at == from {
			late = append(late, b)
		}
	}
	if len(late) == len(all) {
		return false
	}
	for _, b := range late {
		r.detach(b, behindExpired)
	}
	return true
}
