package stream

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// testAudits: with a sink that takes its time, under as many writes as the
// server takes, nothing differs; what somebody breaks is found.
func testAudits(t *testing.T, cluster *testenv.Cluster) {
	namespace := cluster.NewNamespace(t)
	r := follow(t, cluster.Config(), "cm?namespace="+namespace)
	r.stop()
	for i := range 700 {
		r.createConfigMap(namespace, i)
	}
	slow := newSlow(r.mirror)
	defer slow.stop()
	r.opts.Routes = []Route{{Name: "a", Queue: slow}}
	r.opts.Config.AuditInterval = 50 * time.Millisecond
	r.run()
	r.wantLive()
	enough, cancel := context.WithCancel(t.Context())
	defer cancel()
	var writers sync.WaitGroup
	for w := range 3 {
		writers.Go(func() {
			ctx := t.Context() // what becomes of a write that is given up, nobody knows
			objects := r.client.Resource(configMaps).Namespace(namespace)
			for i := w; enough.Err() == nil; i += 3 {
				name := fmt.Sprint("cm-", i%700)
				o := &unstructured.Unstructured{Object: map[string]any{
					"apiVersion": "v1", "kind": "ConfigMap",
					"metadata": map[string]any{"name": name}, "data": map[string]any{"n": fmt.Sprint(i)},
				}}
				var err error
				if i%5 == 0 {
					if err = objects.Delete(ctx, name, metav1.DeleteOptions{}); err == nil && i%2 == 0 {
						_, err = objects.Create(ctx, o, metav1.CreateOptions{})
					}
				} else if _, err = objects.Update(ctx, o, metav1.UpdateOptions{}); err != nil {
					_, err = objects.Create(ctx, o, metav1.CreateOptions{})
				}
				_ = err // others write, too
			}
		})
	}
	r.eventually("audits while thousands of changes come by", func() string {
		if s := r.stream.Status(); s.Audits["clean"] < 5 || s.Observed < 3000 {
			return fmt.Sprintf("%v, %d observed", s.Audits, s.Observed)
		}
		return ""
	})
	cancel()
	writers.Wait()
	if s := r.stream.Status(); s.AuditDifferences != 0 || s.Snapshots["audit"] != 0 {
		t.Errorf("a healthy stream differs: %+v", s)
	} else {
		t.Logf("%v, %d observed", s.Audits, s.Observed)
	}
	r.settle(configMaps, namespace)

	_, tampered, err := r.stream.cursorOf("a")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ghost-1", "ghost-2"} {
		pretend(tampered, ledger.Name{Namespace: namespace, Name: name}, ledger.Version{UID: name, ResourceVersion: "1"}, false)
	}
	before := r.mirror.counts()
	r.eventually("an audit to find it", func() string {
		if s := r.stream.Status(); s.AuditDifferences < 2 || r.since(before)["tombstone"] != 2 {
			return fmt.Sprintf("%+v", s)
		}
		return ""
	})
	if s := r.stream.Status(); s.AuditDifferences != 2 || s.Snapshots["audit"] != 1 {
		t.Errorf("status: %+v", s)
	}
}

// slow is a sink that accepts a change some time after it was offered, as a
// queue and its workers do; the newest of an object counts.
type slow struct {
	*mirror
	mu      sync.Mutex
	waiting map[pipeline.Key]*pipeline.Change
	done    chan struct{}
	ended   chan struct{}
}

func newSlow(m *mirror) *slow {
	s := &slow{mirror: m, waiting: map[pipeline.Key]*pipeline.Change{}, done: make(chan struct{}), ended: make(chan struct{})}
	go s.run()
	return s
}

func (s *slow) Offer(_ context.Context, c *pipeline.Change, _ int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting[c.Key] = c
	return nil
}

func (s *slow) run() {
	defer close(s.ended)
	turn := time.NewTicker(100 * time.Millisecond)
	defer turn.Stop()
	for {
		select {
		case <-turn.C:
		case <-s.done:
			return
		}
		s.mu.Lock()
		waiting := s.waiting
		s.waiting = map[pipeline.Key]*pipeline.Change{}
		s.mu.Unlock()
		for _, c := range waiting {
			_ = s.mirror.Offer(context.Background(), c, 0)
		}
	}
}

func (s *slow) stop() {
	close(s.done)
	<-s.ended
}
