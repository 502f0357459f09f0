package bench

import (
	"context"
	"encoding/json"
	"path/filepath"
	"runtime"
	"runtime/debug"
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
// stacks are those of the whole process, divided by the streams. It is a process
// of its own, since what ended before leaves timers behind that hold connections
// for a minute or two.
func BenchmarkFleet(b *testing.B) {
	const objects, rate = 10, 200.0
	for _, impl := range []struct {
		name    string
		members int
	}{{"fairlead", 1000}, {"caches", 100}} {
		streams := impl.members * len(fleetResources)
		for _, phase := range []string{"idle", "trickle"} {
			b.Run("phase="+phase+"/impl="+impl.name, func(b *testing.B) {
				helper := startHelper(b, "members", simserver.Options{Clusters: impl.members, Resources: fleetResources, Objects: objects})
				var members membersReply
				helper.ask(membersRequest{}, &members)
				follower := startHelper(b, "fleet", fleetSetup{Impl: impl.name, Members: members, Ledger: filepath.Join(b.TempDir(), "ledger")})
				if phase == "trickle" {
					helper.ask(membersRequest{Rate: rate * float64(impl.members) / 1000}, nil)
				}
				var sum cost
				var used, passed time.Duration
				for range b.N {
					var before, after cost
					follower.ask(true, &before)
					start := time.Now()
					<-time.After(fleetPause)
					follower.ask(false, &after)
					passed += time.Since(start)
					used += after.CPU - before.CPU
					sum.Goroutines += before.Goroutines
					sum.Bytes += before.Bytes
					sum.Stacks += before.Stacks
				}
				per := float64(b.N * streams)
				b.ReportMetric(float64(sum.Goroutines)/per, "goroutines/stream")
				b.ReportMetric(float64(sum.Bytes)/per, "B/stream")
				b.ReportMetric(float64(sum.Stacks)/per, "stack-B/stream")
				b.ReportMetric(float64(used)/passed.Seconds()*2000/float64(streams), "cpu-ns/s") // as for 1,000 members
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// fleetPause is how long a fleet is looked at.
const fleetPause = 5 * time.Second

// fleetResources are what is followed of each member.
var fleetResources = []string{"configmaps", "secrets"}

// fleetSetup says what the process that is measured follows, and how.
type fleetSetup struct {
	Impl    string
	Members membersReply
	Ledger  string // path
}

// cost is what a process holds beyond what it did at first, and the processor
// time that it has used.
type cost struct {
	Goroutines, Bytes, Stacks int64
	CPU                       time.Duration
}

// newFleet follows members. Asked with true, it collects garbage and tells its
// cost; with false it tells the processor time only.
func newFleet(ctx context.Context, setup json.RawMessage) (func(json.RawMessage) (any, error), error) {
	var s fleetSetup
	if err := json.Unmarshal(setup, &s); err != nil {
		return nil, err
	}
	configs := make([]*rest.Config, len(s.Members.Hosts))
	for i := range configs {
		configs[i] = s.Members.config(i)
	}
	b := helperTB{ctx: func() context.Context { return ctx }}
	base := costNow()
	// They end with the process.
	if s.Impl == "caches" {
		for _, config := range configs {
			startCache(b, config, &corev1.ConfigMap{}, &corev1.Secret{})
		}
	} else {
		p := startProgram(b, programOptions{ledger: s.Ledger, members: configs, watches: fleetResources})
		p.awaitLive(b, len(configs)*len(fleetResources))
		p.awaitAcked(b)
	}
	return func(line json.RawMessage) (any, error) {
		var collect bool
		if err := json.Unmarshal(line, &collect); err != nil || !collect {
			return cost{CPU: cpuTime()}, err
		}
		now := costNow()
		return cost{now.Goroutines - base.Goroutines, now.Bytes - base.Bytes, now.Stacks - base.Stacks, now.CPU}, nil
	}, nil
}

// costNow collects garbage first, and returns the memory: else the process goes
// on doing that for a while.
func costNow() cost {
	// A stack is halved at most once in each collection.
	for range 4 {
		debug.FreeOSMemory()
	}
	held := heldHeap()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return cost{int64(runtime.NumGoroutine()), held, int64(m.StackInuse), cpuTime()}
}
