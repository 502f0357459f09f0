package queue_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/pipeline/queue"
)

// The flood of BenchmarkNoisyNeighbour, in simulated time: what comes is half as
// much again as the workers can do, and half of it comes from one cluster.
const (
	floodWorkers = 8
	floodService = time.Millisecond // what an item takes a worker
	floodLasts   = 10 * time.Second
	quietOnes    = 99
	quietRate    = 60.0 // items per second, each
	noisyRate    = 100 * quietRate
)

// arrival is an item that comes at a time.
type arrival struct {
	at    time.Duration
	item  queue.Request
	quiet bool
}

// flood draws what comes: independent of each other, every item a new object.
func flood() []arrival {
	const rate = noisyRate + quietOnes*quietRate
	random := rand.New(rand.NewPCG(1, 2))
	names := make([]string, quietOnes+1)
	for i := range names {
		names[i] = fmt.Sprintf("quiet-%d", i)
	}
	names[quietOnes] = "noisy"
	var all []arrival
	for at := time.Duration(0); at < floodLasts; at += time.Duration(random.ExpFloat64() / rate * float64(time.Second)) {
		a := arrival{at: at}
		cluster := int(random.Float64() * rate / quietRate) // 99 and more: the noisy one
		a.quiet = cluster < quietOnes
		a.item.Cluster = names[min(cluster, quietOnes)]
		a.item.Name = fmt.Sprintf("object-%d", len(all))
		all = append(all, a)
	}
	return all
}

// waits drives a queue through a flood and returns how long each item of a quiet
// cluster waited for a worker. Nothing is left to this machine's clock and
// scheduler: the queue decides who is next, and that is all.
func waits(q benchQueue, all []arrival) []time.Duration {
	came := make(map[queue.Request]arrival, len(all))
	var waited []time.Duration
	var busy [floodWorkers]struct {
		until time.Duration // 0: idle
		item  queue.Request
	}
	waiting := 0
	take := func(now time.Duration) {
		for i := range busy {
			if b := &busy[i]; b.until == 0 && waiting > 0 {
				waiting--
				b.item, _ = q.Get()
				b.until = now + floodService
				if a := came[b.item]; a.quiet {
					waited = append(waited, now-a.at)
				}
			}
		}
	}
	for _, a := range all {
		for { // whatever ends before it comes
			next := -1
			for i := range busy {
				if until := busy[i].until; until != 0 && until <= a.at && (next < 0 || until < busy[next].until) {
					next = i
				}
			}
			if next < 0 {
				break
			}
			now := busy[next].until
			q.Done(busy[next].item)
			busy[next].until = 0
			take(now)
		}
		came[a.item] = a
		q.Add(a.item)
		waiting++
		take(a.at)
	}
	return waited
}

// BenchmarkNoisyNeighbour has one cluster flood at a hundred times the rate of
// each of 99 quiet ones, with the workers saturated, and tells the 99th
// percentile of what a quiet one's item waits, in simulated time.
func BenchmarkNoisyNeighbour(b *testing.B) {
	all := flood()
	for _, queue := range queues {
		b.Run("impl="+queue.name, func(b *testing.B) {
			var waited []time.Duration
			for b.Loop() {
				q := queue.make()
				waited = waits(q, all)
				q.ShutDown()
			}
			slices.Sort(waited)
			b.ReportMetric(float64(waited[len(waited)*99/100]), "p99-ns")
			b.ReportMetric(float64(waited[len(waited)/2]), "p50-ns")
		})
	}
}

// The simulation is of the flood that it claims: the quiet ones' share is what
// the workers can do, and first come, first served lets them wait for seconds.
func TestFlood(t *testing.T) {
	all := flood()
	quiet := 0
	for _, a := range all {
		if a.quiet {
			quiet++
		}
	}
	if offered := float64(len(all)) / floodLasts.Seconds() * floodService.Seconds() / floodWorkers; offered < 1.4 || offered > 1.6 {
		t.Errorf("%.2f of what the workers can do is offered, want 1.5", offered)
	}
	if share := float64(quiet) / float64(len(all)); share < 0.48 || share > 0.51 {
		t.Errorf("%.2f of all is quiet, want 99/199", share)
	}
	p99 := map[string]time.Duration{}
	for _, queue := range queues[:2] {
		q := queue.make()
		waited := waits(q, all)
		q.ShutDown()
		slices.Sort(waited)
		p99[queue.name] = waited[len(waited)*99/100]
	}
	if p99["workqueue"] < time.Second || p99["fairlead"] > p99["workqueue"]/100 {
		t.Errorf("p99 of the quiet ones' waits: %v", p99)
	}
}
