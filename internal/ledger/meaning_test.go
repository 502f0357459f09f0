package ledger

import (
	"encoding/binary"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

var wigs = Meaning{Name: "wg", Version: "v1", Kind: "Wig", Namespaced: true}

// What a name means outlives the process, also in the cursor that a cluster goes
// on with under another UID.
func TestRecall(t *testing.T) {
	s := newStored(t)
	if got := s.ledger.Recall("a", "uid"); len(got) != 0 {
		t.Errorf("an empty ledger remembers %+v", got)
	}
	c, _ := s.claim("uid", "digest")
	c.Mean(wigs)
	s.fill(c)
	s.ledger.claimAs(StreamID{Cluster: "b", ClusterUID: "uid", Resource: "pods"}, "digest")
	s.commit(true)
	s.open()
	pods := StreamID{Cluster: "a", ClusterUID: "uid", Resource: "pods"}
	for _, test := range []struct {
		uid    string
		others []string
		own    bool
	}{
		{"uid", nil, true}, {"uid", []string{"uid 2"}, true}, {"digest-1", nil, true},
		{"digest-1", []string{"uid"}, false}, {"uid 2", nil, false},
	} {
		want := []Remembered{{ID: pods, Own: test.own, Known: 2, Meaning: wigs}}
		if diff := gocmp.Diff(want, s.ledger.Recall("a", test.uid, test.others...)); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", test, diff)
		}
		// As Claim sees it.
		s.open()
		c, _ := s.ledger.claimAs(StreamID{Cluster: "a", ClusterUID: test.uid, Resource: "pods"}, "digest-1", test.others...)
		if (c.Stats().Known == 2) != test.own {
			t.Errorf("%+v: claimed a cursor with %+v", test, c.Stats())
		}
		s.open()
	}
	c, _ = s.claim("digest-1", "digest-1")
	if c.Meaning() != wigs {
		t.Errorf("renamed, it means %+v", c.Meaning())
	}
	s.commit(true)
	described, err := Describe(t.Context(), s.store)
	if err != nil || described[0].Meaning != wigs || described[1].Meaning != (Meaning{}) {
		t.Errorf("described as %+v, %v", described, err)
	}
}

// A head as it was written before there were meanings, and with a form that
// names no version.
const oldHead = `{"id":{"cluster":"a","clusterUID":"uid","resource":"pods"},"digest":"digest","resume":"20","sinks":["a"],"form":"whole"}`

func TestOldHead(t *testing.T) {
	s := newStored(t)
	stored := binary.BigEndian.AppendUint32([]byte(oldHead), checksum("c", []byte(oldHead)))
	if err := s.store.Apply(t.Context(), []Update{{Cursor: "c", Head: stored}}); err != nil {
		t.Fatal(err)
	}
	c := s.reach()
	if got := s.ledger.Recall("a", "uid"); len(got) != 1 || got[0].Meaning != (Meaning{}) || !got[0].Own {
		t.Errorf("it remembers %+v", got)
	}
	s.fill(c) // of which all was delivered before
	s.wantDue(c, "whole of v1", "")
	c.Mean(wigs)
	s.commit(true)
	c = s.reach()
	s.wantDue(c, "whole of v1", "")
	if c.Meaning() != wigs {
		t.Errorf("it means %+v", c.Meaning())
	}
	s.wantDue(c, "whole of v2", `delivered as "whole of v2" now, as "whole of v1" before`)

	if written := string((head{Form: "whole"}).encode("c")); strings.Contains(written, "meaning") {
		t.Errorf("an empty meaning is written: %s", written)
	}
}

func TestForms(t *testing.T) {
	for _, test := range []struct {
		noted, now string
		same       bool
	}{
		{"whole", "whole of v1", true}, {"whole of v1", "whole of v1", true}, {"metadata", "metadata of v1", true},
		{"whole of v1", "whole of v2", false}, {"whole", "metadata of v1", false}, {"metadata", "metadata without values of v1", false},
		{"", "whole of v1", false}, {"whole of v1", "whole", false},
	} {
		if got := isForm(test.noted, test.now); got != test.same {
			t.Errorf("%q, then %q: the same is %t", test.noted, test.now, got)
		}
	}
}
