package ledger

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
)

// sweeper plays what goes on while a snapshot is swept: workers begin, fail and ack,
// and the stream observes.
type sweeper struct {
	*testing.T
	r      *rand.Rand
	c      *Cursor
	rv     int
	server map[string]Version // what there is
	sink   map[string]Version // what was delivered and not deleted
	queue  map[string]queued
	inWork map[string]queued
}

type queued struct {
	sequence uint64
	v        Version
	deleted  bool
}

func (s *sweeper) version() string {
	s.rv++
	return strconv.Itoa(s.rv)
}

// observe has the stream see the present state of a name.
func (s *sweeper) observe(n string, snapshot bool) {
	v, ok := s.server[n]
	if !ok {
		v = Version{s.sink[n].UID, s.version()}
		if v.UID == "" {
			return
		}
	}
	if sequence, verdict := s.c.observe(Name{"ns", n}, v, !ok, snapshot); verdict == Deliver {
		s.queue[n] = queued{sequence, v, !ok}
	}
}

// work takes some steps of some workers.
func (s *sweeper) work(steps int) {
	for range steps {
		// In the order of names, so that a seed plays the same again.
		waiting, working := slices.Collect(keysOf(s.queue)), slices.Collect(keysOf(s.inWork))
		if len(waiting) > 0 && (len(working) == 0 || s.r.IntN(2) == 0) {
			n := waiting[s.r.IntN(len(waiting))]
			if _, busy := s.inWork[n]; busy {
				continue
			}
			q := s.queue[n]
			delete(s.queue, n)
			s.inWork[n] = q
			s.c.begin(q.sequence, Name{"ns", n}, q.v, q.deleted)
			continue
		}
		if len(working) == 0 {
			return
		}
		n := working[s.r.IntN(len(working))]
		q := s.inWork[n]
		delete(s.inWork, n)
		if _, newer := s.queue[n]; s.r.IntN(5) == 0 && !newer {
			s.queue[n] = q
			continue
		}
		if q.deleted {
			delete(s.sink, n)
		} else {
			s.sink[n] = q.v
		}
		s.c.Ack(q.sequence, Name{"ns", n}, q.v, q.deleted)
	}
}

func keysOf[V any](m map[string]V) func(func(string) bool) {
	return slices.Values(slices.Sorted(func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}))
}

// snapshot lists all that there is, and sweeps. It is broken off at times.
func (s *sweeper) snapshot(names []string) (whole bool) {
	s.c.BeginSnapshot()
	for _, i := range s.r.Perm(len(names)) {
		if _, ok := s.server[names[i]]; ok {
			s.observe(names[i], true)
		}
		s.work(s.r.IntN(3))
	}
	at := s.version()
	told := map[string]bool{}
	steps, breaksOff := s.r.IntN(6), s.r.IntN(3) == 0
	for gone := range s.c.EndSnapshot(at) {
		n := gone.Name.Name
		if _, ok := s.server[n]; ok || told[n] || gone.Version.ResourceVersion != at {
			s.Fatalf("tombstone %+v of %+v, told before: %v", gone, s.server[n], told[n])
		}
		told[n] = true
		s.queue[n] = queued{gone.Sequence, gone.Version, true}
		s.work(steps)
		if s.r.IntN(4) == 0 { // another one is made, or changes, and is seen
			n := names[s.r.IntN(len(names))]
			if v, ok := s.server[n]; ok || !told[n] && s.sink[n].UID == "" && s.c.pending[nameOf(n)] == nil {
				if !ok {
					v.UID = uuid(s.rv)
				}
				v.ResourceVersion = s.version()
				s.server[n] = v
				s.observe(n, false)
			}
		}
		if breaksOff && s.r.IntN(20) == 0 {
			return false
		}
	}
	if _, watches := s.c.Start(); watches {
		s.Fatal("a watch may start although the last tombstones may not have been handed over")
	}
	s.c.Seen(s.version())
	return true
}

// TestSweepMissesNothing: whatever is acked, fails, is observed and takes the place
// of others between two tombstones, and however often a sweep is broken off: in the
// end a sink holds what there is.
func TestSweepMissesNothing(t *testing.T) {
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 9))
		s := &sweeper{
			T: t, r: r, c: newCursor(StreamID{}, nil), rv: 100,
			server: map[string]Version{}, sink: map[string]Version{}, queue: map[string]queued{}, inWork: map[string]queued{},
		}
		names := make([]string, 1+r.IntN(150))
		for i := range names {
			names[i] = fmt.Sprint("object-", i)
			s.server[names[i]] = Version{uuid(i), s.version()}
		}
		for round := range 4 {
			for whole := false; !whole; {
				whole = s.snapshot(names)
				if r.IntN(4) == 0 { // a restart, but for the acked states
					clear(s.queue)
					clear(s.inWork)
					s.c.Rewind()
					whole = false
				}
			}
			if round == 3 {
				break
			}
			// Some of it goes, and nobody watches.
			for _, n := range names {
				if r.IntN(1+round) == 0 || r.IntN(3) == 0 {
					delete(s.server, n)
				}
				if r.IntN(10) == 0 {
					s.server[n] = Version{uuid(s.rv), s.version()}
				}
			}
		}
		for len(s.queue)+len(s.inWork) > 0 {
			s.work(100)
		}
		if got, want := fmt.Sprint(s.sink), fmt.Sprint(s.server); got != want || s.c.Unacked() > 0 || s.c.Stats().Known != len(s.server) {
			t.Fatalf("seed %d: the sink holds\n%v, there is\n%v; %+v", seed, got, want, s.c.Stats())
		}
	}
}

// TestSweepHoldsTheLockForFewObjects: counted, whatever is swept.
func TestSweepHoldsTheLockForFewObjects(t *testing.T) {
	for _, test := range []struct {
		what                           string
		acked, held, deleted, unlisted int
		retiring                       bool
	}{
		{"nothing is gone", 5000, 0, 0, 0, false},
		{"all is gone", 5000, 0, 0, 5000, false},
		{"some is gone", 5000, 0, 0, 50, false},
		{"held", 0, 3000, 0, 3000, false},
		{"deletions of a history that was undone", 10, 0, 3000, 10, false},
		{"a cluster that is replaced", 5000, 1000, 1000, 6000, true},
	} {
		c := newCursor(StreamID{}, nil)
		c.BeginSnapshot()
		for i := range test.held {
			c.hold(pod(i), at20(i))
		}
		for i := range test.acked {
			deliver(t, c, pod(10_000+i), at20(i), false, true)
		}
		for i := range test.deleted {
			c.rememberLocked(nameOf(fmt.Sprint("gone-", i)), rv(50_000+i))
			c.takesLocked(1, entrySize(nameOf(fmt.Sprint("gone-", i))))
		}
		c.BeginSnapshot()
		for i := range test.acked - (test.unlisted - test.held) {
			c.observe(pod(10_000+i), at20(i), false, true)
		}
		s, told := &sweep{Cursor: c, version: "30000", retiring: test.retiring}, 0
		s.run(func(Tombstone) bool { told++; return true })
		if told != test.unlisted {
			t.Errorf("%s: %d tombstones, want %d", test.what, told, test.unlisted)
		}
		if s.most > lookedAtOnce {
			t.Errorf("%s: %d objects are looked at with the lock held, want at most %d", test.what, s.most, lookedAtOnce)
		}
		if !test.retiring && len(c.deleted) > 0 {
			t.Errorf("%s: %d deletions are left of a history that was undone", test.what, len(c.deleted))
		}
	}
}

// TestHeapOfASweep: whoever hands tombstones over a lane at a time takes no more
// memory for it than objects may take.
func TestHeapOfASweep(t *testing.T) {
	const objects, lane, most = 200_000, 1024, 160
	for _, retiring := range []bool{false, true} {
		before := heap()
		c := newCursor(StreamID{}, nil)
		fill(t, c, objects)
		tombstones := c.Retire()
		if !retiring {
			c.InvalidateResumePoint() // as a stream does before it takes a snapshot
			c.BeginSnapshot()
			tombstones = c.EndSnapshot("9500000")
		}
		var waiting []Tombstone
		ack := func() {
			for _, gone := range waiting {
				c.begin(gone.Sequence, gone.Name, gone.Version, true)
				c.Ack(gone.Sequence, gone.Name, gone.Version, true)
			}
			waiting = waiting[:0]
		}
		told, largest := 0, 0
		for gone := range tombstones {
			if told++; told%50_000 == lane-1 {
				largest = max(largest, heap()-before)
			}
			if waiting = append(waiting, gone); len(waiting) == lane {
				ack()
			}
			if n := c.Unacked(); n > lane {
				t.Fatalf("%d are pending", n)
			}
		}
		ack()
		if each := largest / objects; each > most || told != objects {
			t.Errorf("%d bytes for each of %d objects, want at most %d for %d (a retirement: %v)", each, told, most, objects, retiring)
		} else {
			t.Logf("%d bytes for each object", each)
		}
		if left := heap() - before; left > 2<<20 {
			t.Errorf("%d KiB are left", left>>10)
		}
	}
}

// TestBrokenOffSweepIsNoSnapshot: what Seen says then does not end it.
func TestBrokenOffSweepIsNoSnapshot(t *testing.T) {
	c := newCursor(StreamID{}, nil)
	c.BeginSnapshot()
	for i := range 3 {
		deliver(t, c, pod(i), at20(i), false, true)
	}
	endSnapshot(c, "40")
	c.Seen("40")
	sweep := func() (told int) {
		c.BeginSnapshot()
		for range c.EndSnapshot("50") {
			if told++; told == 2 {
				break
			}
		}
		return told
	}
	for range 2 {
		if sweep(); c.Unacked() != 2 {
			t.Errorf("%d are pending of two that were ranged over", c.Unacked())
		}
		c.Seen("50")
		if _, watches := c.Start(); watches || c.ResumePoint() != "40" {
			t.Errorf("a watch may start: %v; resume point %q, want 40", watches, c.ResumePoint())
		}
	}
	// Another snapshot begins while one is swept, as after a session that was
	// given up: the first one tells no more.
	c.BeginSnapshot()
	told := 0
	for range c.EndSnapshot("60") {
		told++
		c.BeginSnapshot()
	}
	if c.Seen("60"); told != 1 || c.ResumePoint() != "40" {
		t.Errorf("%d tombstones of a sweep that is over; resume point %q", told, c.ResumePoint())
	}
	c.BeginSnapshot()
	for _, gone := range endSnapshot(c, "70") {
		c.begin(gone.Sequence, gone.Name, gone.Version, true)
		c.Ack(gone.Sequence, gone.Name, gone.Version, true)
	}
	c.Seen("70")
	if s := c.Stats(); s.Known+s.Unacked > 0 || c.ResumePoint() != "70" {
		t.Errorf("%+v, resume point %q", s, c.ResumePoint())
	}
}

// TestSweepBesideWorkers is for the race detector.
func TestSweepBesideWorkers(t *testing.T) {
	const objects = 20_000
	c := newCursor(StreamID{}, nil)
	fill(t, c, objects)
	lane := make(chan Tombstone, 100)
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for gone := range lane {
				c.begin(gone.Sequence, gone.Name, gone.Version, true)
				c.Ack(gone.Sequence, gone.Name, gone.Version, true)
			}
		})
	}
	c.BeginSnapshot()
	told := 0
	for gone := range c.EndSnapshot("9500000") {
		lane <- gone
		told++
	}
	close(lane)
	workers.Wait()
	if s := c.Stats(); told != objects || s.Known+s.Unacked > 0 {
		t.Errorf("%d tombstones, left: %+v", told, s)
	}
}
