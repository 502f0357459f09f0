package ledger

import (
	"cmp"
	"maps"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
)

// in returns the cursor of pods in a namespace, "" for all, of a member
// whose streams follow pods in some.
func (s *stored) in(namespace string, followed ...string) *Cursor {
	c, _ := s.ledger.Claim(Claiming{
		ID:        StreamID{Cluster: "a", ClusterUID: "uid", Resource: "pods", Namespace: namespace, Route: "r"},
		Selection: Selection{Namespace: namespace}, Followed: followed,
	})
	return c
}

// tell takes a cursor through a snapshot of some objects, and returns what it tells
// its sink, by namespace: "+" for a state, "-" for a deletion.
func (s *stored) tell(c *Cursor, objects map[Name]Version) (told []string) {
	s.Helper()
	c.BeginSnapshot()
	for n, v := range objects {
		if o := c.Observe(n, v, false, true, nil); o.Verdict == Deliver {
			c.begin(o.Sequence, n, v, false)
			c.Ack(o.Sequence, n, v, false)
			told = append(told, "+"+n.Namespace)
		}
	}
	for d := range c.EndSnapshot("50") {
		c.begin(d.Sequence, d.Name, d.Version, true)
		c.Ack(d.Sequence, d.Name, d.Version, true)
		told = append(told, "-"+d.Name.Namespace)
	}
	c.Seen("50")
	slices.Sort(told)
	return told
}

func objectsIn(namespaces ...string) map[Name]Version {
	objects := map[Name]Version{}
	for i, namespace := range []string{"a", "b", "c"} {
		if slices.Contains(namespaces, namespace) {
			objects[Name{namespace, "x"}] = at(uuid(i), 10+i)
		}
	}
	objects[Name{namespaces[0], "odd"}] = at("odd "+namespaces[0], 20)
	return objects
}

// Whatever is followed next, sinks end up with that, nothing comes twice that stays,
// and nothing stays in the ledger of the rest.
func TestNamespacesChange(t *testing.T) {
	type step struct {
		follow []string
		told   map[string][]string // by namespace that is followed
	}
	for name, steps := range map[string][]step{
		"narrowed": {
			{[]string{""}, map[string][]string{"": {"+a", "+a", "+b", "+c"}}},
			{[]string{"a"}, map[string][]string{"a": {"-b", "-c"}}},
		},
		"to two": {
			{[]string{""}, map[string][]string{"": {"+a", "+a", "+b", "+c"}}},
			{[]string{"a", "b"}, map[string][]string{"a": {"-c"}, "b": {"+b"}}},
		},
		"widened": {
			{[]string{"a", "b"}, map[string][]string{"a": {"+a", "+a"}, "b": {"+b", "+b"}}},
			{[]string{""}, map[string][]string{"": {"+c", "-b"}}},
		},
		"moved": {
			{[]string{"a"}, map[string][]string{"a": {"+a", "+a"}}},
			{[]string{"b"}, map[string][]string{"b": {"+b", "+b", "-a", "-a"}}},
		},
		"there and back": {
			{[]string{""}, map[string][]string{"": {"+a", "+a", "+b", "+c"}}},
			{[]string{"a"}, map[string][]string{"a": {"-b", "-c"}}},
			{[]string{""}, map[string][]string{"": {"+b", "+c"}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStored(t)
			numbers, generation := uint64(0), uint32(0)
			for i, step := range steps {
				before := numbers
				for _, namespace := range step.follow {
					c := s.in(namespace, step.follow...)
					if c.numbers.last < before || i > 0 && namespace == step.follow[0] && c.head.Generation <= generation {
						t.Errorf("step %d: %q has number %d, generation %d", i, namespace, c.numbers.last, c.head.Generation)
					}
					// A process that is killed here begins the same again.
					if _, ok := c.Start(); ok {
						t.Errorf("step %d: %q resumes", i, namespace)
					}
					objects := objectsIn(cmp.Or(namespace, "a"))
					if namespace == "" {
						objects = objectsIn("a", "b", "c")
					}
					got := s.tell(c, objects)
					slices.Sort(step.told[namespace])
					if diff := gocmp.Diff(step.told[namespace], got); diff != "" {
						t.Errorf("step %d: %q (-want +got):\n%s", i, namespace, diff)
					}
					numbers, generation = max(numbers, c.numbers.last), max(generation, c.head.Generation)
				}
				if n := len(s.ledger.cursors); n != len(step.follow) {
					t.Errorf("step %d: %d cursors", i, n)
				}
				for _, c := range s.ledger.cursors {
					if u := c.recount(); u != c.usage {
						t.Errorf("step %d: %+v are counted of what takes %+v", i, c.usage, u)
					}
				}
				s.commit(true)
				s.open()
				s.ledger.Join("a")
			}
		})
	}
}

// What has moved is stored in one transaction on both sides.
func TestMovesAreStoredAtOnce(t *testing.T) {
	s := newStored(t)
	s.tell(s.in("", ""), objectsIn("a", "b"))
	s.commit(true)
	s.in("a", "a", "b")
	s.commit(false)
	s.open()
	known := map[string]int{}
	for id, c := range s.ledger.cursors {
		known[id.Namespace] = c.Stats().Known
		if c.ResumePoint() != "" && id.Namespace == "a" {
			t.Error("it resumes")
		}
	}
	if !maps.Equal(known, map[string]int{"": 1, "a": 2}) {
		t.Errorf("stored %v", known)
	}
}

// Where two cursors know of an object, the sink may have either state.
func TestBothKnowOfIt(t *testing.T) {
	s := newStored(t)
	n := Name{"a", "x"}
	s.tell(s.in("", ""), map[Name]Version{n: at(uuid(1), 10)})
	s.tell(s.in("a"), map[Name]Version{n: at(uuid(2), 20)})
	c := s.in("a", "a")
	o := c.Observe(n, at(uuid(2), 20), false, true, nil)
	if ghosts, _, _, _ := c.begin(o.Sequence, n, at(uuid(2), 20), false); o.Verdict != Deliver || !slices.Equal(ghosts, []string{uuid(1)}) {
		t.Errorf("verdict %v, ghosts %v", o.Verdict, ghosts)
	}
}

// An earlier version had a cursor for each selector.
func TestOldCursorsOfTwoSelectionsBecomeOne(t *testing.T) {
	s := oldLedger(t, `{"id":{"cluster":"a","clusterUID":"uid","resource":"pods","labels":"app=web"},"resume":"20","sinks":["r"]}`)
	other := newCursor(StreamID{Cluster: "a", ClusterUID: "uid", Resource: "pods"}, nil)
	s.hand(other, 3, at(uuid(3), 15), false, true)
	head := []byte(`{"id":{"cluster":"a","clusterUID":"uid","resource":"pods"},"resume":"17","sinks":["r"]}`)
	key := nameOfTest(pod(3))
	if err := s.store.Apply(t.Context(), []Update{{
		Cursor: "other", Head: appendSum(head, "other"),
		Records: []Record{{[]byte(key), other.encodeLocked(nil, []byte(key), key)}},
	}}); err != nil {
		t.Fatal(err)
	}
	s.openFor("r")
	c := s.in("", "")
	s.wantKnown(c, "", 3)
	if c.head.Generation == 0 || c.recount() != c.usage {
		t.Errorf("generation %d, %+v", c.head.Generation, c.usage)
	}
	s.commit(false)
	if s.store.cursors() != 1 {
		t.Errorf("%d cursors are stored", s.store.cursors())
	}
	s.openFor("r")
	s.wantKnown(s.in("", ""), "", 3)
}

// What nobody follows is kept for the retention, in case it is followed again, and
// then taken leave of.
func TestUnwatched(t *testing.T) {
	s := newStored(t)
	for _, resource := range []string{"pods", "jobs"} {
		c, _ := s.ledger.Claim(Claiming{ID: StreamID{Cluster: "a", ClusterUID: "uid", Resource: resource, Route: "r"}})
		s.fill(c)
	}
	s.commit(true)
	pods := StreamID{Cluster: "a", Resource: "pods", Route: "r"}
	look := func(after time.Duration) (resources []string) {
		s.commit(true)
		s.openFor("r")
		s.ledger.retention = time.Hour
		s.ledger.Watched("a", among([]StreamID{pods}), nil)
		for _, c := range s.ledger.Unwatched("a", time.Now().Add(after)) {
			resources = append(resources, c.ID().Resource)
		}
		return resources
	}
	if got := look(time.Minute); got != nil {
		t.Errorf("after a minute: %v", got)
	}
	want := []UnwatchedObjects{{"a", "jobs", 2}}
	if diff := gocmp.Diff(want, s.ledger.UnwatchedObjects()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := look(61 * time.Minute); !slices.Equal(got, []string{"jobs"}) {
		t.Errorf("after an hour: %v", got)
	}
	c := s.ledger.Unwatched("a", time.Now().Add(61*time.Minute))[0]
	if gone := retire(c); len(gone) != 2 {
		t.Errorf("%d tombstones", len(gone))
	}
	if _, ok := s.ledger.cursors[c.ID()]; !ok {
		t.Error("it is not in the ledger any more")
	}
	if again := s.ledger.Unwatched("a", time.Now().Add(61*time.Minute)); len(again) != 1 || c.lostLocked() {
		t.Error("asked again, what was returned before counts no more")
	}
	was := c
	c, _ = s.ledger.Claim(Claiming{ID: c.ID()}) // followed again
	if gone := retire(was); len(gone) != 0 {
		t.Errorf("%d tombstones of what is followed again", len(gone))
	}
	if got := look(61 * time.Minute); !slices.Equal(got, []string{"jobs"}) || !c.head.Unwatched.IsZero() {
		t.Errorf("after it was followed again: %v", got)
	}
}

// A sink that is taken out finds what it had, and what happened since, when it is
// back within the retention.
func TestRoutesThatAreTakenOut(t *testing.T) {
	s := newStored(t)
	id := StreamID{Cluster: "a", ClusterUID: "uid", Resource: "pods", Route: "r"}
	c, _ := s.ledger.Claim(Claiming{ID: id})
	s.fill(c)
	s.commit(true)
	run := func(runs time.Duration, routes ...string) (known int) {
		s.openFor(routes...)
		s.ledger.look(time.Now())
		s.ledger.look(time.Now().Add(runs))
		s.commit(true)
		return len(s.ledger.cursors)
	}
	day := 24 * time.Hour
	if run(0, "other") != 1 || run(6*day, "other") != 1 || run(30*day, "r") != 1 {
		t.Fatal("dropped before its time")
	}
	if run(6*day, "other") != 1 {
		t.Error("it was there in between")
	}
	if run(day, "other") != 0 || s.store.cursors() != 0 {
		t.Error("kept beyond its time")
	}
}

// A sink may have been told that all is gone which it is told of again: it goes on in
// a generation above, although no record is left to move.
func TestTheGenerationMovesAlone(t *testing.T) {
	s := newStored(t)
	c := s.in("a", "a")
	if told := s.tell(c, objectsIn("a")); len(told) == 0 {
		t.Fatal("nothing is told")
	}
	s.tell(c, nil)
	before, number := c.head.Generation, c.numbers.last
	if c = s.in("", ""); c.head.Generation <= before || c.numbers.last < number {
		t.Errorf("generation %d after %d, number %d after %d", c.head.Generation, before, c.numbers.last, number)
	}
}
