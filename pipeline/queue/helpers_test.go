package queue_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-dev/fairlead/pipeline/queue"
)

// state is an item whose identity is not the whole of it: a version of an
// object, as changes are.
type state struct {
	cluster, name string
	version, size int
}

func (s state) id() string { return s.cluster + "/" + s.name }

type stateQueue = queue.Queue[state, string]

func newStateQueue(o queue.Options[state, string]) *stateQueue {
	o.Cluster = func(s state) string { return s.cluster }
	o.Identity = state.id
	o.Size = func(s state) int { return s.size }
	return queue.New(o)
}

// newNameQueue returns a queue of strings that are their own identity. What
// stands before a slash is the cluster.
func newNameQueue(o queue.Options[string, string]) *queue.Queue[string, string] {
	o.Cluster = func(s string) string {
		cluster, _, _ := strings.Cut(s, "/")
		return cluster
	}
	o.Identity = func(s string) string { return s }
	return queue.New(o)
}

// take gets n items and is done with each at once.
func take[T, K comparable](t *testing.T, q *queue.Queue[T, K], n int) []T {
	t.Helper()
	items := make([]T, 0, n)
	for range n {
		item, shutdown := q.Get()
		if shutdown {
			t.Fatalf("shut down after %d of %d items: %v", len(items), n, items)
		}
		q.Done(item)
		items = append(items, item)
	}
	return items
}

// takeAll is take of everything that can be handed out right now.
func takeAll[T, K comparable](t *testing.T, q *queue.Queue[T, K]) []T {
	t.Helper()
	var items []T
	for q.Len() > 0 {
		items = append(items, take(t, q, 1)...)
	}
	return items
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(state{})); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// lane returns the stats of one cluster; zero if it has no lane.
func lane[T, K comparable](q *queue.Queue[T, K], cluster string) queue.LaneStats {
	for _, s := range q.Lanes() {
		if s.Cluster == cluster {
			return s
		}
	}
	return queue.LaneStats{}
}

// forever is longer than anything a test waits for.
const forever = 1000 * time.Hour
