package ledger

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"testing"
)

// A sink that drops what has an id that it had before is told something newer in the
// place of a state that it had not, and the process is killed: the state that it had
// not comes first after that, and then what it had comes with another id.
func TestKillBehindASkippedState(t *testing.T) {
	id := func(o Observation, version string) string { return fmt.Sprint(version, "/g", o.Generation) }
	for name, caughtUp := range map[string]bool{"at once": false, "and again behind a bookmark": true} {
		t.Run(name, func(t *testing.T) {
			s := newStored(t)
			c := s.reach()
			s.fill(c)
			s.commit(true)
			had := map[string]bool{}
			c.Observe(pod(1), at(uid3, 30), false, false, nil) // its place is taken
			o := c.Observe(pod(1), at(uid3, 31), false, false, nil)
			c.begin(o.Sequence, pod(1), at(uid3, 31), false)
			s.commit(true)
			had[id(o, "31")] = true

			for range 2 { // a process that is killed before an ack, too, and the next one
				c = s.reach()
				last := ""
				for _, rv := range []int{30, 31, 32} {
					version, v := strconv.Itoa(rv), at(uid3, rv)
					o := c.Observe(pod(1), v, false, false, nil)
					if o.Verdict != Deliver {
						t.Fatalf("version %s: verdict %v", version, o.Verdict)
					}
					c.begin(o.Sequence, pod(1), v, false)
					s.commit(true)
					if !had[id(o, version)] {
						last = version
					}
					had[id(o, version)] = true
				}
				if last != "32" {
					t.Errorf("who drops repeats ends with version %q", last)
				}
			}
			c = s.reach()
			if caughtUp {
				c.Seen("40")
				c.CaughtUp()
			}
			again := c.Observe(pod(1), at(uid3, 50), false, false, nil).Generation
			if want := c.head.Generation; caughtUp && again != want || !caughtUp && again != want-1 {
				t.Errorf("generation %d of %d", again, want)
			}
		})
	}
}

// A selection that is narrowed deletes, the process is killed before the ack, and the
// selection is widened again: what the ledger takes for acked is not with the sink.
func TestKillBehindADeletionBySelection(t *testing.T) {
	for name, stop := range map[string]func(*stored){
		"and again":                            func(*stored) {},
		"another one under the same selection": func(s *stored) { s.narrow() },
		"a stop under the same selection":      func(s *stored) { s.narrow(); s.stop() },
	} {
		t.Run(name, func(t *testing.T) {
			s := newStored(t)
			s.fill(s.reach())
			s.commit(true)
			c := s.narrow()
			c.BeginSnapshot()
			c.observe(pod(1), at(uid3, 11), false, true)
			for d := range c.EndSnapshot("20") {
				c.begin(d.Sequence, d.Name, d.Version, true)
			}
			s.commit(true)
			stop(s)
			c = s.reach()
			if got := s.fillAgain(c, 2); got == 0 {
				t.Error("what was deleted is not delivered")
			}
		})
	}
}

// narrow is a new process with a selection.
func (s *stored) narrow() *Cursor {
	s.Helper()
	s.open()
	s.ledger.Join("a")
	c, _ := s.ledger.Claim(Claiming{ID: StreamID{Cluster: "a", ClusterUID: "uid", Resource: "pods"}, Digest: "digest", Selection: Selection{Labels: "a=b"}})
	return c
}

// A version that knew nothing of kills was killed behind a state that its sink had skipped,
// and again when it had told that one: what the sink has had before is the first that this
// version observes. A sink that drops repeats ends with it all the same.
func TestKillOfAVersionBefore(t *testing.T) {
	for name, field := range map[string]string{"not known": "", "false": `,"x-clean":false`} {
		t.Run(name, func(t *testing.T) {
			b := newByID(t)
			c := b.reach()
			b.fill(c)
			b.deliver(c, at(uid3, 31), false, false) // in the place of version 30, and killed
			c = b.reach()
			c.head.Generation, c.reobserved = 0, nil // as that version went on
			b.deliver(c, at(uid3, 30), false, true)
			c.Seen("30")
			b.deliver(c, at(uid3, 31), false, false) // dropped, as the sink has had it, and killed
			b.wants("30")
			b.commit(true)
			head := c.head
			body := []byte(fmt.Sprintf(`{"id":{"cluster":"a","clusterUID":"uid","resource":"pods"},"digest":"digest","resume":%q,"sequence":%d%s}`, head.Resume, head.Limit, field))
			b.store.heads[c.key] = binary.BigEndian.AppendUint32(body, checksum(c.key, body))
			c = b.reach()
			b.deliver(c, at(uid3, 31), false, true)
			want := "31"
			if field != "" {
				want = "30" // no version has written that without keeping to the rule
			}
			b.wants(want)
		})
	}
}

// A sink was told that a UID is gone whose name another one took, and the process is killed
// before the sink has accepted what has the name now: the sink is not told the UID's states
// again, unless the server was restored meanwhile, when versions may be used again.
func TestKillBetweenADeletionAndWhatTookTheName(t *testing.T) {
	another := uuid(7)
	for name, test := range map[string]struct {
		takes func(c *Cursor) (sequence uint64, v Version)
		then  []Version // what a watch shows of pod 1 after that
		want  []Verdict
	}{
		"created and deleted": {func(c *Cursor) (uint64, Version) {
			c.observe(pod(1), at(another, 30), false, false)
			sequence, _ := c.observe(pod(1), at(another, 31), true, false)
			return sequence, at(another, 31)
		}, []Version{at(uid3, 24), at(uid3, 25), at(another, 30)}, []Verdict{Stale, Stale, Deliver}},
		"of a restored server": {func(c *Cursor) (uint64, Version) {
			c.BeginSnapshot()
			c.observe(pod(2), at(uuid(2), 12), false, true)
			c.observe(pod(1), at(another, 21), false, true)
			endSnapshot(c, "22")
			c.Seen("22")
			sequence, _ := c.observe(pod(1), at(another, 23), true, false)
			return sequence, at(another, 23)
		}, []Version{at(another, 24)}, []Verdict{Deliver}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStored(t)
			c := s.reach()
			s.fill(c)
			s.hand(c, 1, at(uid3, 25), false, false)
			sequence, v := test.takes(c)
			if ghosts, _, _, _ := c.begin(sequence, pod(1), v, true); len(ghosts) != 1 {
				t.Fatalf("ghosts %q", ghosts)
			}
			c.AckGhost(pod(1), uid3)
			s.commit(true)
			c = s.reach()
			for i, v := range test.then {
				if _, got := c.observe(pod(1), v, false, false); got != test.want[i] {
					t.Errorf("%v: verdict %v, want %v", v, got, test.want[i])
				}
			}
		})
	}
}
