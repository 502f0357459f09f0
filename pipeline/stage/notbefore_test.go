package stage

import (
	"sync"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
)

// A worker takes changes at Pace.After and not earlier, unless the destination wants them
// sooner, or the queue shuts down. So what another cluster offers meanwhile comes along.
func TestAWorkerTakesChangesWhenTheirTurnIsNear(t *testing.T) {
	const after = time.Minute
	for name, test := range map[string]struct {
		at   time.Duration // of that
		do   func(q *bundles)
		want time.Duration
	}{
		"nothing happens":            {0, func(*bundles) {}, after},
		"it is wanted earlier":       {1050 * time.Millisecond, func(q *bundles) { q.pace(pipeline.Pace{Batch: 10}) }, 1050 * time.Millisecond},
		"it is wanted later":         {time.Second, func(q *bundles) { q.pace(pipeline.Pace{Batch: 10, After: time.Now().Add(after)}) }, after + time.Second},
		"another batch, same time":   {time.Second, func(q *bundles) { q.pace(pipeline.Pace{Batch: 9, After: time.Now().Add(after - time.Second)}) }, after},
		"the queue shuts down":       {time.Second, func(q *bundles) { q.ShutDown() }, time.Second + gatherStep},
		"the time is over meanwhile": {1050 * time.Millisecond, func(q *bundles) { q.pace(pipeline.Pace{Batch: 10, After: time.Now()}) }, 1050 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newBundles(NewQueue(queue.Options[*pipeline.Change, pipeline.Key]{}), 2)
				began := time.Now()
				q.pace(pipeline.Pace{Batch: 10, Deliveries: 2, After: began.Add(after)})
				q.Queue.Add(testChange(nil, "u1"))
				var wg sync.WaitGroup
				wg.Go(func() {
					b, down := q.Get()
					if waited := time.Since(began); waited != test.want && !down || waited > test.want {
						t.Errorf("it came after %v, want %v", waited, test.want)
					}
					if down {
						return
					}
					if got, want := len(b.parts), 2; got != want {
						t.Errorf("%d changes came, want %d: also what was offered meanwhile", got, want)
					}
					for i := range b.parts {
						q.finish(&b.parts[i])
					}
				})
				time.Sleep(test.at)
				c := testChange(nil, "u2")
				c.Key.Cluster, c.Key.Name = "quiet", "u2"
				q.Queue.Add(c)
				test.do(q)
				wg.Wait()
			})
		})
	}
}
