package ledger

import (
	"fmt"
	"slices"
	"testing"

	"github.com/go-logr/logr"
)

// fleet is a ledger as after Open, of many clusters with five streams each.
type fleet struct {
	*Ledger
	streams [][]StreamID // by cluster
}

func newFleet(tb testing.TB, clusters int) *fleet {
	tb.Helper()
	l, err := Open(tb.Context(), Options{Log: logr.Discard()})
	if err != nil {
		tb.Fatal(err)
	}
	f := &fleet{Ledger: l}
	for i := range clusters {
		var ids []StreamID
		for _, resource := range []string{"pods", "configmaps", "deployments.apps", "services", "nodes"} {
			id := StreamID{Cluster: fmt.Sprintf("cluster-%06d", i), ClusterUID: uuid(i), Resource: resource}
			ids = append(ids, id)
			l.newCursorLocked(id)
		}
		f.streams = append(f.streams, ids)
	}
	return f
}

// connect is what each session of each cluster does.
func (f *fleet) connect(digest string) {
	for _, ids := range f.streams {
		for _, id := range ids {
			f.claimAs(id, digest)
		}
	}
}

// TestNothingLooksAtOtherClusters: what one cluster does costs the same, however
// many there are.
func TestNothingLooksAtOtherClusters(t *testing.T) {
	f := newFleet(t, 400)
	id := f.streams[7][0]
	other := id
	other.ClusterUID = digestPrefix + "1"
	const own = 5 // and the other one, at times
	for _, test := range []struct {
		what string
		do   func()
		most int
	}{
		{"Join", func() { f.Join(id.Cluster) }, own},
		{"Claim", func() { f.claimAs(id, "d") }, own + 1},
		{"Claim again", func() { f.claimAs(id, "e") }, own + 1},
		{"Claim of another cluster", func() { f.claimAs(other, "d", id.ClusterUID) }, own + 4},
		{"Recall", func() { f.Recall(id.Cluster, id.ClusterUID) }, own + 1},
		{"Identities", func() { f.Identities(id.Cluster) }, own + 1},
		{"Sample", func() { f.Sample(id.Cluster, id.ClusterUID, 3) }, own + 1},
		{"Doubt", func() { f.Doubt(id.Cluster, id.ClusterUID) }, own + 1},
		{"SetQuota", func() { f.SetQuota(id.Cluster, Quota{Objects: 5}) }, 0},
		{"Drop", func() { f.Drop(other) }, 0},
		{"Leave", func() { f.Leave(id.Cluster) }, own},
	} {
		before := f.looked
		if test.do(); f.looked-before > test.most {
			t.Errorf("%s looks at %d cursors, want at most %d", test.what, f.looked-before, test.most)
		}
	}
}

// TestIndexAgrees: whatever is claimed, renamed and dropped, each cursor is found
// under its own ID and its cluster's name, and no other is.
func TestIndexAgrees(t *testing.T) {
	f := newFleet(t, 3)
	byDigest := StreamID{Cluster: "late", ClusterUID: digestPrefix + "1", Resource: "pods"}
	byUID := byDigest
	byUID.ClusterUID = uuid(100)
	check := func(what string) {
		t.Helper()
		n := 0
		for id, c := range f.cursors {
			if c.ID() != id || !slices.Contains(f.of(id.Cluster), c) {
				t.Errorf("%s: %+v is not found", what, id)
			}
		}
		for name, k := range f.clusters {
			of := f.of(name)
			if n += len(of); len(of) != k.cursors {
				t.Errorf("%s: %d cursors of %s, %d are counted", what, len(of), name, k.cursors)
			}
		}
		if n != len(f.cursors) {
			t.Errorf("%s: %d cursors by cluster, there are %d", what, n, len(f.cursors))
		}
	}
	f.connect("d")
	c, _ := f.claimAs(byDigest, "d")
	check("claimed by digest")
	if got, former := f.claimAs(byUID, "d"); got.cursor != c.cursor || len(former) > 0 {
		t.Fatalf("another cursor, former %v", former)
	}
	check("renamed")
	next := byUID
	next.ClusterUID = uuid(101)
	if _, former := f.claimAs(next, "d"); len(former) != 1 || former[0].cursor != c.cursor {
		t.Fatalf("former %v", former)
	}
	check("replaced")
	f.Drop(byUID)
	check("dropped")
	f.Drop(next)
	if check("empty"); f.clusters["late"] != nil {
		t.Error("a cluster of which nothing is known is kept")
	}
}

// BenchmarkFleetConnects is what it takes to join and claim 4,000 clusters with five
// streams each, and again when credentials are rotated.
func BenchmarkFleetConnects(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		f := newFleet(b, 4000)
		b.StartTimer()
		for _, ids := range f.streams {
			f.Join(ids[0].Cluster)
		}
		f.connect("d")
		f.connect("e")
	}
}
