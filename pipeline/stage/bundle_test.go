package stage

import (
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

// A worker that has slept takes as many as are taken when it wakes up.
func TestASleeperTakesWhatIsTakenNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{}
		q := newTestStage(t, r).queue
		q.batch.Store(16)
		got := make(chan *bundle)
		go func() {
			b, _ := q.Get()
			got <- b
		}()
		synctest.Wait()
		q.batch.Store(2)
		for i := range 3 {
			c := testChange(r, "u")
			c.Key.Name = fmt.Sprint(i)
			q.Queue.AddAfter(c, time.Second) // so that all are there when it wakes up
		}
		if b := <-got; len(b.parts) != 2 {
			t.Errorf("%d changes taken, want 2", len(b.parts))
		}
	})
}

// paced is a destination that says what it wants.
type paced struct {
	*recorder
	set func(pipeline.Pace)
}

func (p *paced) Pace(set func(pipeline.Pace)) {
	p.set = set
	set(pipeline.Pace{Batch: 2, Deliveries: 1, UnderWay: 4})
}

// No more is taken than the destination wants to have under way: what arrives
// meanwhile waits in the queue, where it has its turn. What waits for the ledger
// keeps the sink from nobody.
func TestNoMoreIsTakenThanPays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &paced{recorder: &recorder{held: map[types.UID]chan struct{}{}, safe: map[types.UID]chan struct{}{}}}
		r := d.recorder
		for _, uid := range []types.UID{"u1", "u2", "u3", "u4", "u5", "u6"} {
			r.held[uid] = make(chan struct{})
		}
		r.safe["u3"], r.safe["u4"] = make(chan struct{}), make(chan struct{})
		s, err := New(Options{
			Queue: NewQueue(queue.Options[*pipeline.Change, pipeline.Key]{}), Destination: d, Workers: 3,
			Registerer: prometheus.NewRegistry(), Log: logr.Discard(),
		})
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				for b, down := s.queue.Get(); !down; b, down = s.queue.Get() {
					if err := s.work(t.Context(), b); err != nil {
						t.Error(err)
					}
				}
			})
		}
		synctest.Wait()
		add := func(uids ...types.UID) {
			for _, uid := range uids {
				c := testChange(r, uid)
				c.Key.Cluster = string(uid)
				s.queue.Queue.Add(c)
				synctest.Wait()
			}
		}
		add("u1")
		r.happened(t, "begin u1", "updated u1")
		add("u3", "u4", "u2", "u5", "u6")
		r.happened(t)
		close(r.held["u1"])
		synctest.Wait()
		// u3 and u4 wait for the ledger, u2 and u5 are with the sink; u6 is the one
		// too many.
		r.happened(t, "ack u1", "begin u3", "begin u4", "begin u2", "begin u5", "updated u2", "updated u5")
		d.set(pipeline.Pace{Batch: 1, Deliveries: 2})
		synctest.Wait()
		r.happened(t, "begin u6", "updated u6")
		for _, held := range r.held {
			if held != r.held["u1"] {
				close(held)
			}
		}
		close(r.safe["u3"])
		close(r.safe["u4"])
		synctest.Wait()
		if l := s.queue.Lanes(); len(l) != 6 || s.queue.Len() != 0 {
			t.Errorf("%d lanes, %d changes wait", len(l), s.queue.Len())
		}
		s.queue.ShutDown()
		wg.Wait()
	})
}

// One cluster has at most three quarters of what may be under way.
func TestOneClusterHasItsShare(t *testing.T) {
	for underWay, want := range map[int]int{1: 1, 2: 2, 4: 3, 16: 12, 2000: 1500} {
		q := newBundles(NewQueue(queue.Options[*pipeline.Change, pipeline.Key]{LaneCapacity: 4000}), 1)
		q.pace(pipeline.Pace{Batch: 4000, Deliveries: 1, UnderWay: underWay})
		for i := range 3000 {
			c := testChange(nil, types.UID(fmt.Sprint(i)))
			q.Queue.Add(c)
		}
		if b, _ := q.Get(); len(b.parts) != want {
			t.Errorf("of %d that may be under way one cluster has %d, want %d", underWay, len(b.parts), want)
		}
	}
}
