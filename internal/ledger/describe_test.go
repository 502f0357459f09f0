package ledger

import (
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// A ledger that an earlier version has left is told of as it will be read.
func TestDescribeTellsWhatIsDue(t *testing.T) {
	s := oldLedger(t, `{"id":{"cluster":"a","clusterUID":"u","resource":"pods","labels":"app=web"},"sinks":["file:x","stdout:"],"form":"metadata only","owed":true}`)
	got, err := Describe(t.Context(), s.store)
	if err != nil {
		t.Fatal(err)
	}
	want := []Description{{
		ID:    StreamID{Cluster: "a", ClusterUID: "u", Resource: "pods"},
		Sinks: []string{"file:x", "stdout:"}, Selection: Selection{Labels: "app=web"}, Form: "metadata only", Objects: 2, Redeliver: 2,
	}}
	if diff := gocmp.Diff(want, got, cmpopts.IgnoreUnexported(Description{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
