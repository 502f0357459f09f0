package bench

import (
	"path/filepath"
	"runtime"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/bench/internal/simserver"
)

// BenchmarkFleet is what a stream costs that is open and has little to say: one
// process follows two resources of 1,000 simulated members, with ten objects
// each, which either do not change or change 200 times a second, all together.
// Caches of controller-runtime are too large for that: there are 100 members
// for them, and a stream costs them what it costs there. Goroutines, heap and
// stacks are those of the whole process, divided by the streams.
func BenchmarkFleet(b *testing.B) {
	const resources, objects, rate = 2, 10, 200.0
	for _, impl := range []struct {
		name    string
		members int
		start   func(b *testing.B, members []*rest.Config) (end func())
	}{
		{"fairlead", 1000, startFleet},
		{"caches", 100, startCaches},
	} {
		streams := impl.members * resources
		var trickling *helper
		var end func()
		var members membersReply
		var base cost
		begin := func(b *testing.B) {
			trickling = startHelper(b, "members", simserver.Options{Clusters: impl.members, Resources: []string{"configmaps", "secrets"}, Objects: objects})
			trickling.ask(membersRequest{}, &members)
			base = costNow()
			configs := make([]*rest.Config, impl.members)
			for i := range configs {
				configs[i] = members.config(i)
			}
			end = impl.start(b, configs)
		}
		for _, phase := range []string{"idle", "trickle"} {
			b.Run("phase="+phase+"/impl="+impl.name, func(b *testing.B) {
				begin(b)
				defer end()
				if phase == "trickle" {
					trickling.ask(membersRequest{Rate: rate * float64(impl.members) / 1000}, nil)
				}
				var goroutines, bytes, stacks int64
				var used, passed time.Duration
				for range b.N {
					at := costNow()
					goroutines += at.goroutines - base.goroutines
					bytes += at.bytes - base.bytes
					stacks += at.stacks - base.stacks
					start, before := time.Now(), cpuTime()
					<-time.After(fleetPause)
					used += cpuTime() - before
					passed += time.Since(start)
				}
				per := float64(b.N * streams)
				b.ReportMetric(float64(goroutines)/per, "goroutines/stream")
				b.ReportMetric(float64(bytes)/per, "B/stream")
				b.ReportMetric(float64(stacks)/per, "stack-B/stream")
				b.ReportMetric(float64(used)/passed.Seconds()*float64(1000*resources)/float64(streams), "cpu-ns/s")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// fleetPause is how long a fleet is looked at.
const fleetPause = 5 * time.Second

// cost is what a process holds.
type cost struct{ goroutines, bytes, stacks int64 }

func costNow() cost {
	// A stack is halved at most once in each collection.
	for range 4 {
		runtime.GC()
	}
	held := heldHeap()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return cost{int64(runtime.NumGoroutine()), held, int64(m.StackInuse)}
}

func startFleet(b *testing.B, members []*rest.Config) (end func()) {
	p := startProgram(b, programOptions{
		ledger: filepath.Join(b.TempDir(), "ledger"), members: members, watches: []string{"configmaps", "secrets"},
	})
	p.awaitLive(b, 2*len(members))
	p.awaitAcked(b)
	return p.end
}

func startCaches(b *testing.B, members []*rest.Config) (end func()) {
	var stops []func()
	for _, config := range members {
		_, stop := startCache(b, config, &corev1.ConfigMap{}, &corev1.Secret{})
		stops = append(stops, stop)
	}
	return func() {
		for _, stop := range stops {
			stop()
		}
	}
}
