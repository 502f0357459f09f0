package stream

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// lossy is a mirror in front of which the server forgets, after so many states, what
// the list under way is of.
type lossy struct {
	*mirror
	every  int
	forget func(round int)

	mu        sync.Mutex
	rounds    int
	delivered map[string]int // states, by name
}

func (l *lossy) Offer(ctx context.Context, c *pipeline.Change, priority int) error {
	if err := l.mirror.Offer(ctx, c, priority); err != nil || c.Op == pipeline.Deleted {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.delivered[c.Key.Name]++
	total := 0
	for _, n := range l.delivered {
		total += n
	}
	// A server that does so for ever would never let a replay end that begins at zero
	// each time; this one has mercy.
	if total%l.every == 0 && l.rounds < 20 {
		l.rounds++
		l.forget(l.rounds)
	}
	return nil
}

// testReplayInPages: the replay of a large resource in pages outlasts what the server
// keeps, again and again. It goes on all the same and ends, having delivered each
// object about once; what was deleted meanwhile is told.
func testReplayInPages(t *testing.T, cluster *testenv.Cluster) {
	namespace := cluster.NewNamespace(t)
	r := follow(t, cluster.Config(), "cm?namespace="+namespace)
	r.wantLive()
	const n = 3*pageSize + 100
	var g errgroup.Group
	g.SetLimit(8)
	for i := range n {
		g.Go(func() error {
			r.createConfigMap(namespace, i)
			return nil
		})
	}
	_ = g.Wait()
	r.settle(configMaps, namespace)
	r.stop()

	objects := r.client.Resource(configMaps).Namespace(namespace)
	l := &lossy{mirror: r.mirror, every: 400, delivered: map[string]int{}}
	l.forget = func(round int) {
		// What is deleted is not there to be replayed; and the server has moved on.
		if err := objects.Delete(t.Context(), fmt.Sprint("cm-", n-round), metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
		if err := cluster.Compact(t.Context()); err != nil {
			t.Error(err)
		}
	}
	r.opts.Routes = []Route{{Name: "a", Queue: l}}
	r.run()
	_, _ = r.stream.Replay()
	r.eventually("the replay to end", func() string {
		if s := r.stream.Status(); s.Snapshots["replay"] == 0 || s.State != member.Live {
			return fmt.Sprintf("%+v", s)
		}
		return ""
	})
	r.settle(configMaps, namespace)
	r.stop()
	s := r.stream.Status()
	if s.Reconnects["expired"] < 2 {
		t.Errorf("the list was lost %d times, which proves little", s.Reconnects["expired"])
	}
	total := 0
	for name, times := range l.delivered {
		if total += times; times > 2 {
			t.Errorf("%s was delivered %d times", name, times)
		}
	}
	if total > n+pageSize/10 || total < n-l.rounds {
		t.Errorf("%d deliveries of %d objects, lost %d times", total, n, l.rounds)
	}
}
