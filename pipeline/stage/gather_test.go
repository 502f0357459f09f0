package stage

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
)

// charging is a destination that charges for each write: it writes what was delivered once
// that is as much as it wants, or when it has lingered for so long since the last one.
type charging struct {
	linger       time.Duration
	batch, bytes int

	mu      sync.Mutex
	set     func(pipeline.Pace)
	pending []delivery
	timer   *time.Timer
	writes  []int
	oldest  time.Duration // that a change had when it was written
}

type delivery struct {
	changes []*pipeline.Change
	written chan struct{}
}

func (d *charging) Pace(set func(pipeline.Pace)) {
	d.set = set
	d.began()
}

// began says when the next write is due, shortly before which deliveries are to come.
func (d *charging) began() {
	until := time.Now().Add(d.linger - d.linger/16)
	if len(d.writes) == 0 {
		until = time.Now()
	}
	d.set(pipeline.Pace{Batch: d.batch, Bytes: d.bytes, Deliveries: 2, UnderWay: 3 * d.batch, Until: until})
}

func (d *charging) Deliver(_ context.Context, tell func(int, error), changes ...*pipeline.Change) error {
	own := delivery{changes, make(chan struct{})}
	d.mu.Lock()
	d.pending = append(d.pending, own)
	n, bytes := 0, 0
	for _, p := range d.pending {
		n += len(p.changes)
		for _, c := range p.changes {
			bytes += c.Size()
		}
	}
	if d.timer == nil || n >= d.batch || bytes >= d.bytes {
		d.writeLocked()
	}
	d.mu.Unlock()
	<-own.written
	for i := range changes {
		tell(i, nil)
	}
	return nil
}

func (d *charging) writeLocked() {
	n := 0
	for _, p := range d.pending {
		n += len(p.changes)
		for _, c := range p.changes {
			d.oldest = max(d.oldest, time.Since(c.Observed))
		}
		close(p.written)
	}
	d.pending = nil
	if n > 0 {
		d.writes = append(d.writes, n)
	}
	if d.timer != nil {
		d.timer.Stop()
	}
	d.timer = time.AfterFunc(d.linger, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.writeLocked()
	})
	d.began()
}

// end writes what is left, and no more.
func (d *charging) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.writeLocked()
	d.timer.Stop()
}

// total is how many changes were written.
func (d *charging) total() (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, w := range d.writes {
		n += w
	}
	return n
}

// run starts workers of a stage with that destination.
func (d *charging) run(t *testing.T, q *Queue) (wait func()) {
	t.Helper()
	s, err := New(Options{Queue: q, Destination: d, Workers: 4, Registerer: prometheus.NewRegistry(), Log: logr.Discard()})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for b, down := s.queue.Get(); !down; b, down = s.queue.Get() {
				if err := s.work(t.Context(), b); err != nil {
					t.Error(err)
				}
			}
		})
	}
	return wg.Wait
}

// TestALingerHoldsUpNobody: what a cluster tells while a batch waits for more is taken from
// its lane, be it more than that holds. There is one write in the time of the linger.
func TestALingerHoldsUpNobody(t *testing.T) {
	const (
		linger = 10 * time.Second
		each   = 5 * time.Millisecond // 200 changes/s
		runs   = 101 * time.Second
	)
	synctest.Test(t, func(t *testing.T) {
		sink := &charging{linger: linger, batch: 10_000, bytes: 8 << 20}
		q := NewQueue(queue.Options[*pipeline.Change, pipeline.Key]{LaneCapacity: 500})
		wait := sink.run(t, q)
		offered := 0
		for began := time.Now(); time.Since(began) < runs; offered++ {
			c := testChange(nil, types.UID(fmt.Sprint(offered)))
			if err := q.Offer(t.Context(), c, 0); err != nil {
				t.Fatal(err)
			}
			time.Sleep(each)
		}
		if want := int(runs / each); offered < want*99/100 {
			t.Errorf("%d changes were taken of a cluster, want %d: its lane was full", offered, want)
		}
		if n := len(sink.writes); n < 10 || n > 12 {
			t.Errorf("%d writes in %v: %v", n, runs, sink.writes)
		}
		if sink.oldest > linger+time.Second {
			t.Errorf("a change was written %v after it was observed", sink.oldest)
		}

		// A stop waits for no more than the linger, and loses nothing.
		stop, end := context.WithTimeout(t.Context(), linger+time.Second)
		defer end()
		if left := q.Stop(stop); left > 0 {
			t.Errorf("%d changes are left", left)
		}
		wait()
		sink.end()
		if n := sink.total(); n != offered {
			t.Errorf("%d changes were written, %d offered", n, offered)
		}
	})
}

// TestAFullBatchWaitsForNothing, by number or by bytes.
func TestAFullBatchWaitsForNothing(t *testing.T) {
	for name, sink := range map[string]*charging{
		"changes": {linger: time.Hour, batch: 50, bytes: 8 << 20},
		"bytes":   {linger: time.Hour, batch: 10_000, bytes: 50 * pipeline.ChangeOverhead},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := NewQueue(queue.Options[*pipeline.Change, pipeline.Key]{})
				wait := sink.run(t, q)
				for i := range 1001 {
					if err := q.Offer(t.Context(), testChange(nil, types.UID(fmt.Sprint(i))), 0); err != nil {
						t.Fatal(err)
					}
					time.Sleep(time.Millisecond)
				}
				synctest.Wait()
				if n := sink.total(); n < 900 || len(sink.writes) > 25 {
					t.Errorf("%d of 1001 changes are written, in %d writes: %v", n, len(sink.writes), sink.writes)
				}
				sink.end()
				q.ShutDown()
				wait()
				sink.end()
			})
		})
	}
}
