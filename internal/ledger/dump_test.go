package ledger

import (
	"context"
	"iter"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// mapStore is a store of one cursor that the process takes along.
type mapStore struct {
	cursor  string
	head    []byte
	records map[string][]byte
}

func (s *mapStore) Load(_ context.Context, visit func(string, []byte, iter.Seq2[[]byte, []byte]) error) error {
	if s.head == nil {
		return nil
	}
	return visit(s.cursor, s.head, func(yield func(k, v []byte) bool) {
		for _, k := range slices.Sorted(maps.Keys(s.records)) {
			if !yield([]byte(k), s.records[k]) {
				return
			}
		}
	})
}

func (s *mapStore) Apply(_ context.Context, updates []Update) error {
	for _, u := range updates {
		if u.OnlyChecks() {
			continue
		}
		s.cursor = u.Cursor
		if u.Head != nil {
			s.head = u.Head
		}
		for _, r := range u.Records {
			if r.Value == nil {
				delete(s.records, string(r.Key))
			} else {
				s.records[string(r.Key)] = r.Value
			}
		}
	}
	return nil
}

func TestReadAll(t *testing.T) {
	const uid1, uid2, odd = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222", "no UUID"
	store := &mapStore{records: map[string][]byte{}}
	if all, err := ReadAll(t.Context(), store); err != nil || len(all) != 0 {
		t.Fatalf("of an empty store: %v, %v", all, err)
	}
	l, err := Open(t.Context(), Options{Store: store})
	if err != nil {
		t.Fatal(err)
	}
	id := StreamID{Cluster: "c", ClusterUID: "cu", Resource: "configmaps"}
	c, _ := l.claimAs(id, "digest")
	c.BeginSnapshot()
	endSnapshot(c, "5")
	c.Seen("5")
	deliver := func(n Name, v Version, deleted, acked bool) {
		sequence, verdict := c.observe(n, v, deleted, false)
		if verdict != Deliver {
			t.Fatalf("%v of %v: %v", v, n, verdict)
		}
		c.Seen(v.ResourceVersion)
		c.begin(sequence, n, v, deleted)
		if acked {
			c.Ack(sequence, n, v, deleted)
		}
	}
	a, b, gone, strange := Name{"ns", "a"}, Name{"ns", "b"}, Name{"", "gone"}, Name{"ns", "strange"}
	deliver(a, Version{uid1, "6"}, false, true)
	deliver(gone, Version{uid2, "7"}, false, true)
	deliver(b, Version{odd, "8"}, false, false) // holds the resume point back
	deliver(gone, Version{uid2, "9"}, true, true)
	deliver(a, Version{uid2, "10"}, false, false)
	deliver(strange, Version{uid1, "v11"}, false, true)
	if err := l.writer.commit(t.Context(), true); err != nil {
		t.Fatal(err)
	}

	all, err := ReadAll(t.Context(), store)
	want := []Dump{{ID: id, Resume: "7", Objects: map[Name]DumpedObject{
		a:       {Acked: Version{uid1, "6"}, UnackedUIDs: []string{uid2}, Intended: "10"},
		b:       {UnackedUIDs: []string{odd}, Intended: "8"},
		gone:    {Deleted: "9"},
		strange: {Acked: Version{uid1, "?"}},
	}}}
	if diff := cmp.Diff(want, all); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}

	for key := range store.records {
		store.records[key] = append(store.records[key], 0)
		break
	}
	if _, err := ReadAll(t.Context(), store); err == nil {
		t.Error("no error from a damaged record")
	}
}
