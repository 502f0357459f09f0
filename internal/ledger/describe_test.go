package ledger

import (
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestDescribeTellsWhatIsOwed(t *testing.T) {
	id := StreamID{Cluster: "a", ClusterUID: "u", Resource: "pods"}
	store := newMemStore()
	stored := head{ID: id, Sinks: []string{"file:x", "stdout:"}, Form: "metadata only", Owed: true}
	if err := store.Apply(t.Context(), []Update{{Cursor: "c", Head: stored.encode("c")}}); err != nil {
		t.Fatal(err)
	}
	got, err := Describe(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	want := []Description{{ID: id, Sinks: stored.Sinks, Form: stored.Form, Owed: true}}
	if diff := gocmp.Diff(want, got, cmpopts.IgnoreUnexported(Description{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
