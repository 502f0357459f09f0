//go:build linux && !race

package stream

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/pipeline/budget"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
	"github.com/fairlead-dev/fairlead/pipeline/stage"
)

// besideBudget is what a process may take beside its budget: buffers that streams
// always have, the runtime's garbage, and here what the ledger knows.
const besideBudget = 128 << 20

// whatOf tells what the runtime has its memory for, in MiB.
func whatOf() string {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return fmt.Sprintf("heap in use %d (objects and garbage %d), idle %d, stacks %d, other %d",
		m.HeapInuse>>20, m.HeapAlloc>>20, (m.HeapIdle-m.HeapReleased)>>20, m.StackInuse>>20, (m.Sys-m.HeapSys-m.StackSys)>>20)
}

// TestNoAllocBeyondBudget: what is read, waits or is in work takes no more than the
// budget, whatever the lanes might hold: of a thousand members while the sink is down,
// and of a few streams of one member with the largest of objects and a slow sink.
// FAIRLEAD_TEST_MEMORY_BUDGET, in MiB, has it fill another budget than 64 MiB.
func TestNoAllocBeyondBudget(t *testing.T) {
	limit := int64(64 << 20)
	if at := os.Getenv("FAIRLEAD_TEST_MEMORY_BUDGET"); at != "" {
		mib, err := strconv.ParseInt(at, 10, 44)
		if err != nil {
			t.Fatalf("FAIRLEAD_TEST_MEMORY_BUDGET is no number of MiB: %v", err)
		}
		limit = mib << 20
	}
	scale := int(limit >> 26)
	for name, tc := range map[string]struct {
		members, streams int
		size, last       int
		lane             int64
		slow             int // changes that the sink takes, each once all streams wait again
	}{
		"a sink that is down":  {members: 1000, streams: 1, size: 24 << 10, last: 800, lane: queue.DefaultLaneBytes},
		"objects of 15 MiB":    {members: 1, streams: 10 * scale, size: 15 << 20, last: 4, lane: queue.DefaultLaneBytes, slow: 8},
		"more than lanes hold": {members: 40 * scale, streams: 1, size: 3 << 20, last: 40, lane: 1 << 40, slow: 10},
	} {
		t.Run(name, func(t *testing.T) {
			whole := budget.New(limit, 1, MostReading)
			share := whole.Route()
			q := stage.NewQueue(queue.Options[*pipeline.Change, pipeline.Key]{LaneBytes: tc.lane})
			before := goMemory()
			base := resident(t)
			defer debug.SetMemoryLimit(debug.SetMemoryLimit(before + limit + besideBudget/4)) // as GOMEMLIMIT would
			var ends []func()
			defer func() {
				q.ShutDown()
				for _, end := range ends {
					end()
				}
			}()
			l := newLedger(t)
			f := newFlood(tc.last, func(int) int { return tc.size })
			for m := range tc.members {
				for i := range tc.streams {
					cluster := fmt.Sprint("c-", m)
					_, end := f.follow(t, cluster, l, Route{Name: fmt.Sprint("a-", i), Queue: q, Memory: share})
					ends = append(ends, end)
				}
			}
			most, may := int64(0), limit+besideBudget
			look := func(until func(budget.Stats) bool) {
				again := time.NewTicker(20 * time.Millisecond)
				defer again.Stop()
				for deadline := time.After(time.Minute); ; {
					most = max(most, resident(t)-base)
					if most > may {
						t.Fatalf("the process has taken %d MiB, may take %d; %+v; %s", most>>20, may>>20, whole.Stats(), whatOf())
					}
					st := whole.Stats()
					if st.Held+st.Reading > limit {
						t.Fatalf("%+v", st)
					}
					if until(st) {
						return
					}
					select {
					case <-again.C:
					case <-deadline:
						t.Fatalf("they do not come to rest: %+v", st)
					}
				}
			}
			look(func(st budget.Stats) bool { return st.Waiting >= tc.members-tc.members/100 })
			rest := whatOf()
			next := make(chan struct{})
			var sink sync.WaitGroup
			defer sink.Wait()
			defer q.ShutDown()
			defer close(next)
			taken := make(chan struct{})
			sink.Go(func() {
				deliver(q, func(*pipeline.Change) {
					if _, ok := <-next; ok {
						taken <- struct{}{}
					}
				})
			})
			for range tc.slow {
				next <- struct{}{}
				<-taken
				look(func(budget.Stats) bool { return true })
			}
			t.Logf("%d MiB beside what there was before; %s", most>>20, rest)
		})
	}
}

// resident returns the resident memory of the process, in bytes.
func resident(t *testing.T) int64 {
	t.Helper()
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(statm))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}

// goMemory returns what the runtime has of the system.
func goMemory() int64 {
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.Sys - m.HeapReleased)
}
