package httpsink

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// TestRowNames: the checks of a table and of a mapping ask for what a row has.
func TestRowNames(t *testing.T) {
	c := &pipeline.Change{
		Key: pipeline.Key{Cluster: "c", Resource: "pods", Namespace: "ns", Name: "n"}, UID: "u", ResourceVersion: "1",
		Origin:   &pipeline.Origin{Cluster: "c", ClusterUID: "cu", Kind: "Pod", Term: 1, Resource: schema.GroupVersionResource{Version: "v1", Resource: "pods"}},
		Sequence: 1, Snapshot: true, Tombstone: true,
	}
	var members map[string]any
	if err := json.Unmarshal(append(row("{").members(c), '}'), &members); err != nil {
		t.Fatal(err)
	}
	var got []string
	for name := range members {
		got = append(got, name)
	}
	if diff := cmp.Diff(rowNames, got, cmpopts.SortSlices(func(a, b string) bool { return a < b })); diff != "" {
		t.Errorf("members (-named +written):\n%s", diff)
	}
	if diff := cmp.Diff(append(rowNames, "object", "@timestamp"), slices.Concat(always, often, []string{"tombstone"}), cmpopts.SortSlices(func(a, b string) bool { return a < b })); diff != "" {
		t.Errorf("members (-named +asked for):\n%s", diff)
	}
}
