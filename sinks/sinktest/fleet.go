package sinktest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// Pod returns the state of a Pod of namespace ns with one container, observed now. Of two
// states of a Pod the one with the higher term is right and, of the same term, the one with
// the higher sequence.
func Pod(cluster, name, image string, term, sequence uint64) *pipeline.Change {
	return &pipeline.Change{
		Key: pipeline.Key{Cluster: cluster, Resource: "pods", Namespace: "ns", Name: name},
		Origin: &pipeline.Origin{
			Cluster: cluster, ClusterUID: "6d1f0b1e", Kind: "Pod", Namespaced: true, Term: term,
			Resource: schema.GroupVersionResource{Version: "v1", Resource: "pods"},
		},
		Op: pipeline.Updated, UID: types.UID("uid of " + name), ResourceVersion: fmt.Sprint(sequence), Sequence: sequence,
		Object: fmt.Appendf(nil, `{"kind":"Pod","spec":{"containers":[{"image":%q}]}}`, image), Observed: time.Now(),
	}
}

// Gone returns the change as the deletion of what it is about, with its last state.
func Gone(c *pipeline.Change) *pipeline.Change {
	c.Op = pipeline.Deleted
	return c
}

// Story is what happens to Pods of two clusters, in three writes, for tests of what readers ask of
// what a sink has written: the leader of term 3 writes First, that of term 4 writes Then, and the
// one of before writes Late, which it had read before.
type Story struct {
	First, Then, Late []*pipeline.Change
	Images            map[string]int // in how many Pods an image runs, by cluster, a space and the image
	Gone              string         // the key of what was deleted within the last hour, and is not there again
}

// Fleet returns the story. What comes late changes nothing in it, and what is there again is not
// gone.
func Fleet() *Story {
	ancient := Gone(Pod("edge", "ancient", "app:1", 3, 4))
	ancient.Observed = ancient.Observed.AddDate(0, 0, -1)
	return &Story{
		First: []*pipeline.Change{
			Pod("edge", "web-1", "app:1", 3, 1), Pod("edge", "web-2", "app:1", 3, 2), Pod("far", "web-1", "app:1", 3, 1),
			Pod("edge", "gone", "app:1", 3, 3), ancient,
		},
		Then: []*pipeline.Change{
			Pod("edge", "web-1", "app:2", 4, 5), Gone(Pod("edge", "gone", "app:1", 4, 6)),
			Gone(Pod("edge", "back", "app:1", 4, 7)), Pod("edge", "back", "app:2", 4, 8),
		},
		Late:   []*pipeline.Change{Pod("edge", "gone", "app:1", 3, 90), Pod("edge", "web-1", "app:1", 3, 91)},
		Images: map[string]int{"edge app:1": 1, "edge app:2": 2, "far app:1": 1},
		Gone:   "edge/pods/ns/gone",
	}
}

// Answers fails the test unless a reader's answers are those of the story: which images run
// where, and the keys of what was deleted within the last hour.
func (s *Story) Answers(t testing.TB, images map[string]int, gone []string) {
	t.Helper()
	if diff := cmp.Diff(s.Images, images); diff != "" {
		t.Errorf("images (-want +got):\n%s", diff)
	}
	if !slices.Equal(gone, []string{s.Gone}) {
		t.Errorf("what was deleted is %q, want %q", gone, s.Gone)
	}
}
