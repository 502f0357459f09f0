package hub

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fairlead-dev/fairlead/internal/apiclient"
	"github.com/fairlead-dev/fairlead/internal/inflight"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// Sink is a [pipeline.Sink] that keeps a record of each object in the hub. It is a
// [sinks.Checker] and a [sinks.ReadBacker] too, and several goroutines may call Write at
// once, though never with the same key.
type Sink struct {
	o         Options
	client    *apiclient.Caller
	metrics   *metrics
	now       func() time.Time
	installed atomic.Bool
	skipped   sync.Map       // resources of which it was said that they are skipped
	calls     inflight.Calls // of Write
	sweeping  context.CancelFunc
	swept     chan struct{} // closed when nothing is swept any more
}

// New returns a sink that removes, from now on, the records of objects that have been
// gone for long enough. It connects to nothing before that or a write does. The caller
// closes it.
func New(o Options) (*Sink, error) {
	s, err := newSink(o)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.sweeping = cancel
	if o.Trial {
		close(s.swept)
		return s, nil
	}
	go s.sweepOn(ctx)
	return s, nil
}

func newSink(o Options) (*Sink, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	m, err := newMetrics(o.Registerer)
	if err != nil {
		return nil, err
	}
	s := &Sink{o: o, metrics: m, now: time.Now, swept: make(chan struct{})}
	s.client = apiclient.NewCaller(apiclient.CallerOptions{
		Config: s.o.Config, Timeout: s.o.Timeout, QPS: s.o.QPS, Burst: s.o.Burst, UserAgent: s.o.UserAgent,
		Connections: s.o.Connections + 1, // one for who sweeps
	})
	return s, nil
}

// Close ends writes that are under way and what New has begun, and closes the connections.
// A later Write fails.
func (s *Sink) Close() error {
	s.calls.Close()
	s.sweeping()
	<-s.swept
	s.client.Close()
	return nil
}

// Write makes the records of what has changed, or replaces them, those of one key in
// order. What is older than the record that is there changes nothing, and counts as
// accepted. An error of the hub ends the write.
func (s *Sink) Write(ctx context.Context, batch []*pipeline.Change) error {
	ctx, done, err := s.calls.Begin(ctx)
	if err != nil {
		return fmt.Errorf("write records to the hub: %w", err)
	}
	defer done()
	todo := s.byKey(batch)
	if len(todo) == 0 {
		return ctx.Err()
	}
	if err := s.install(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		next   atomic.Int64
		all    sync.WaitGroup
		mu     sync.Mutex
		failed map[int]error
	)
	for range min(s.o.Connections, len(todo)) {
		all.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(todo) {
					return
				}
				refused, err := s.writeKey(ctx, batch, todo[i])
				if err != nil {
					cancel(err)
				}
				mu.Lock()
				for at, reason := range refused {
					if failed == nil {
						failed = map[int]error{}
					}
					failed[at] = reason
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if failed != nil {
		return &pipeline.BatchError{Failed: failed}
	}
	return nil
}

// byKey returns the indexes of the changes of each key, without those that are skipped.
func (s *Sink) byKey(batch []*pipeline.Change) (todo [][]int) {
	at := make(map[pipeline.Key]int, len(batch))
	for i, c := range batch {
		if s.skips(c.Key.Resource) {
			s.metrics.skipped.Inc()
			continue
		}
		k, known := at[c.Key]
		if !known {
			k = len(todo)
			at[c.Key] = k
			todo = append(todo, nil)
		}
		todo[k] = append(todo[k], i)
	}
	return todo
}

// skipped are the resources whose objects get no records: records of the hub itself, each of
// which would make another one, and Events, of which there are too many for etcd to hold twice.
var skipped = []string{own, "events", "events.events.k8s.io"}

// skips reports whether objects of a resource get no records.
func (s *Sink) skips(resource string) bool {
	if !slices.Contains(skipped, resource) {
		return false
	}
	if _, said := s.skipped.LoadOrStore(resource, true); !said {
		s.o.Log.Info("The hub gets no records of this resource; do not watch it for this sink", "resource", resource)
	}
	return true
}
