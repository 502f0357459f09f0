package ledger

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A digest is no evidence of another cluster: not another CA, not another
// address, not a UID that may not be read for a while.
func TestADigestIsNoEvidence(t *testing.T) {
	s := newStored(t)
	c, _ := s.claim("digest-1", "digest-1")
	s.fill(c)
	s.commit(true)
	for _, step := range []struct {
		what        string
		uid, digest string
		others      []string
		same        bool
		want        string // what the cursor is named by
		former      []string
	}{
		{"a CA is added to the bundle", "digest-2", "digest-2", nil, true, "digest-1", nil},
		{"the UID can be read, at another address", "uid", "digest-3", nil, true, "uid", nil},
		{"it cannot be read any more", "digest-3", "digest-3", nil, true, "uid", nil},
		{"nor at another address", "digest-4", "digest-4", nil, true, "uid", nil},
		{"it can again", "uid", "digest-4", nil, true, "uid", nil},
		{"it cannot be read, and its objects are not there", "digest-5", "digest-5", []string{"uid"}, false, "digest-5", []string{"uid"}},
		{"the old one is back", "uid", "digest-4", []string{"digest-5"}, true, "uid", []string{"digest-5"}},
		{"another UID", "uid 2", "digest-4", []string{"digest-5"}, false, "uid 2", []string{"digest-5", "uid"}},
	} {
		s.open()
		s.ledger.Join("a")
		got, former := s.claim(step.uid, step.digest, step.others...)
		if known := got.Stats().Known == 2; known != step.same || got.ID().ClusterUID != step.want || !slices.Equal(former, step.former) {
			t.Errorf("%s: same cluster %v, as %q, former %q", step.what, known, got.ID().ClusterUID, former)
		}
		if step.same {
			s.wantKnown(got, "20", 2)
		}
		s.commit(true)
		// At once again, and after a crash before anything was stored.
		if again, _ := s.claim(step.uid, step.digest, step.others...); again.cursor != got.cursor {
			t.Errorf("%s: claimed again, it is another cursor", step.what)
		}
	}
}

// What is recorded under a digest is the cluster's whose UID is known since, and
// the other way round.
func TestBothNamesAreTheClusters(t *testing.T) {
	s := newStored(t)
	c, _ := s.claim("digest-1", "digest-1")
	s.fill(c)
	s.claim("uid", "digest-2")
	s.commit(true)
	s.open()
	s.ledger.Join("a")
	c, _ = s.claim("uid", "digest-3")
	for name, want := range map[string]bool{"uid": true, "digest-1": true, "digest-3": true, "digest-4": false, "uid 2": false} {
		if c.IsOf(name) != want {
			t.Errorf("of %q: %v, want %v", name, !want, want)
		}
	}
}

func TestIdentities(t *testing.T) {
	s := newStored(t)
	old, _ := s.claim("uid 1", "digest-1")
	old.Attest("home", "")
	s.fill(old)
	s.claim("uid 2", "digest-2")
	_, _ = s.ledger.claimAs(StreamID{Cluster: "a", ClusterUID: "uid 2", Resource: "services"}, "digest-3")
	_, _ = s.ledger.claimAs(StreamID{Cluster: "b", ClusterUID: "uid 3", Resource: "services"}, "digest-3")
	old.Attest("", "front")
	s.commit(true)
	s.open()
	s.ledger.Join("a")
	want := []Identity{
		{UID: "uid 2", Digests: []string{"digest-2", "digest-3"}},
		{UID: "uid 1", Digests: []string{"digest-1"}, Default: "home", Service: "front", Replaced: true},
	}
	if diff := cmp.Diff(want, s.ledger.Identities("a")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	s.claim("uid 1", "digest-1") // it is back
	if got := s.ledger.Identities("a"); got[0].UID != "uid 1" || got[0].Replaced || !got[1].Replaced {
		t.Errorf("%+v", got)
	}
	if got := s.ledger.Identities("elsewhere"); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}

// A stream that nobody follows any more keeps its cursor. Its cluster is replaced all
// the same, or the name would be held for it whenever a process starts.
func TestClusterIsReplacedInStreamsThatNobodyClaims(t *testing.T) {
	s := newStored(t)
	services := StreamID{Cluster: "a", ClusterUID: "uid 1", Resource: "services"}
	_, _ = s.ledger.claimAs(services, "digest-1")
	_, _ = s.ledger.claimAs(StreamID{Cluster: "b", ClusterUID: "uid 1", Resource: "services"}, "digest-1")
	s.claim("uid 1", "digest-1")
	replaced := func(cluster string, want map[string]bool) {
		t.Helper()
		s.commit(true)
		s.open()
		s.ledger.Join("a")
		got := map[string]bool{}
		for _, id := range s.ledger.Identities(cluster) {
			got[id.UID] = id.Replaced
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	_, former := s.claim("uid 2", "digest-1")
	for _, uid := range former {
		s.ledger.Drop(StreamID{Cluster: "a", ClusterUID: uid, Resource: "pods"})
	}
	replaced("a", map[string]bool{"uid 1": true, "uid 2": false})
	replaced("b", map[string]bool{"uid 1": false})

	s.claim("uid 1", "digest-1") // it is back
	replaced("a", map[string]bool{"uid 1": false, "uid 2": true})

	// Where the streams of the one before are others altogether.
	s.ledger.Drop(StreamID{Cluster: "a", ClusterUID: "uid 1", Resource: "pods"})
	s.ledger.Drop(StreamID{Cluster: "a", ClusterUID: "uid 2", Resource: "pods"})
	s.claim("uid 3", "digest-1", "uid 1")
	replaced("a", map[string]bool{"uid 1": true, "uid 3": false})
}

// A head as the first versions have written it.
func TestHeadsOfOldLedgersLoad(t *testing.T) {
	s := newStored(t)
	c, _ := s.claim("uid", "digest-1")
	s.fill(c)
	s.commit(true)
	b := []byte(`{"id":{"cluster":"a","clusterUID":"uid","resource":"pods"},"digest":"digest-1","resume":"20","sinks":null,"form":"whole"}`)
	sum := checksum(c.key, b)
	s.store.heads[c.key] = append(b, byte(sum>>24), byte(sum>>16), byte(sum>>8), byte(sum))
	s.open()
	s.ledger.Join("a")
	want := []Identity{{UID: "uid", Digests: []string{"digest-1"}}}
	if diff := cmp.Diff(want, s.ledger.Identities("a")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	c, former := s.claim("digest-1", "digest-1")
	if s.wantKnown(c, "20", 2); former != nil || c.ID().ClusterUID != "uid" {
		t.Errorf("claimed as %q, former %q", c.ID().ClusterUID, former)
	}
}

// The sample is of what has not changed for longest, and of every stream.
func TestSample(t *testing.T) {
	l, err := Open(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, resource := range []string{"pods", "services"} {
		c, _ := l.claimAs(StreamID{Cluster: "a", ClusterUID: "u", Resource: resource}, "")
		c.BeginSnapshot()
		for i := range 50 {
			i = (i*17 + 3) % 50 // in no order
			deliver(t, c, Name{"ns", fmt.Sprint(i)}, at(uuid(i), 100+i), false, true)
		}
		endSnapshot(c, "200")
		c.Seen("200")
	}
	var got []string
	for _, k := range l.Sample("a", "u", 5) {
		got = append(got, fmt.Sprintf("%s %s/%s %v", k.Resource, k.Namespace, k.Name, k.UID == uuid(len(got)/2)))
	}
	want := []string{"pods ns/0 true", "services ns/0 true", "pods ns/1 true", "services ns/1 true", "pods ns/2 true"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if n := len(l.Sample("a", "u", 1000)); n != 100 {
		t.Errorf("%d of 100", n)
	}
	if got := l.Sample("a", "another", 5); len(got) != 0 {
		t.Errorf("%v", got)
	}
}

// Of a state that was handed over and not accepted, a sink may hold the object.
func TestSampleOfWhatIsHeld(t *testing.T) {
	s := newStored(t)
	c, _ := s.claim("uid", "digest-1")
	c.BeginSnapshot()
	n := Name{"ns", "x"}
	sequence, _ := c.observe(n, at(uid1, 5), false, true)
	c.begin(sequence, n, at(uid1, 5), false)
	if got := s.ledger.Sample("a", "uid", 5); len(got) != 1 || got[0] != (Known{"pods", "ns", "x", uid1}) {
		t.Errorf("%+v", got)
	}
}
