package page

import (
	"math"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/pipeline/stage"
)

// buckets of times, each twice as wide as the one before: up to 0.25 ms, 0.5 ms, ..., and
// from about 9 h.
const (
	buckets     = 28
	firstBucket = 250 * time.Microsecond
)

// deliveries counts what one sink answers. Many goroutines count at once.
type deliveries struct {
	accepted, refused atomic.Uint64
	took, lag         [buckets]atomic.Uint64

	// kept are the counts at each point, in a ring like those of series, guarded by
	// keeper.mu. One that was not taken has no time.
	kept [points]counts
}

// counts are deliveries at one moment.
type counts struct {
	at                time.Time
	passed            time.Duration // in which they were counted; set by since
	accepted, refused uint64
	took, lag         [buckets]uint64
}

func bucketOf(d time.Duration) int {
	return min(bits.Len64(uint64(max(d, 0)/firstBucket)), buckets-1)
}

func (d *deliveries) note(now time.Time, of stage.Delivery) {
	if of.Refused != nil {
		d.refused.Add(1)
		return
	}
	d.accepted.Add(1)
	d.took[bucketOf(now.Sub(of.Began))].Add(1)
	d.lag[bucketOf(now.Sub(of.Change.Observed))].Add(1)
}

func (d *deliveries) counts(at time.Time) counts {
	c := counts{at: at, accepted: d.accepted.Load(), refused: d.refused.Load()}
	for i := range buckets {
		c.took[i], c.lag[i] = d.took[i].Load(), d.lag[i].Load()
	}
	return c
}

// since returns what was counted between a point and now: so many points back, or as far
// as there are.
func (d *deliveries) since(now time.Time, head, back int) counts {
	c := d.counts(now)
	for ; back > 0; back-- {
		from := d.kept[(head+points-back)%points]
		if from.at.IsZero() {
			continue
		}
		c.accepted, c.refused = c.accepted-from.accepted, c.refused-from.refused
		for i := range buckets {
			c.took[i] -= from.took[i]
			c.lag[i] -= from.lag[i]
		}
		c.passed = now.Sub(from.at)
		return c
	}
	return c // all since the start, as no point has been written
}

// quantiles are estimates: the middle of a bucket, as the logarithm has it.
func quantiles(of [buckets]uint64) *api.Quantiles {
	var all uint64
	for _, n := range of {
		all += n
	}
	if all == 0 {
		return nil
	}
	at := func(share float64) float64 {
		rank, sum := uint64(math.Ceil(share*float64(all))), uint64(0)
		for i, n := range of {
			if sum += n; sum >= rank {
				return firstBucket.Seconds() * math.Pow(2, float64(i)-.5)
			}
		}
		return 0
	}
	return &api.Quantiles{P50: at(.5), P90: at(.9), P99: at(.99)}
}

// observed are the deliveries of all routes there have been. A name that settings have
// taken out stays, as its sink may come back; names are few.
type observed struct {
	routes sync.Map // *deliveries by name
}

func (o *observed) of(route string) *deliveries {
	if d, ok := o.routes.Load(route); ok {
		return d.(*deliveries)
	}
	d, _ := o.routes.LoadOrStore(route, new(deliveries))
	return d.(*deliveries)
}

func (o *observed) each(f func(name string, d *deliveries)) {
	o.routes.Range(func(name, d any) bool {
		f(name.(string), d.(*deliveries))
		return true
	})
}
