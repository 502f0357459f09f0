package page

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/pipeline/stage"
)

// What a look at 5,000 clusters costs beside their status, and each view.
func BenchmarkPage(b *testing.B) {
	status := fleetOf(5000, time.Now())
	p := newTestPage(b, func(time.Time) api.Status { return status })
	b.Run("look", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			p.keeper.mu.Lock()
			p.keeper.pointed = time.Now().Add(-every)
			p.keeper.lookLocked()
			p.keeper.mu.Unlock()
		}
	})
	b.Run("memory", func(b *testing.B) {
		var before, after runtime.MemStats
		for b.Loop() {
			runtime.GC()
			runtime.ReadMemStats(&before)
			k := newKeeper(func(time.Time) api.Status { return status })
			k.sample()
			runtime.GC()
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(len(k.tracks)), "B/cluster")
		}
	})
	for name, path := range map[string]string{"overview": "/status", "clusters": "/status/clusters", "filtered": "/status/clusters?filter=004&sort=-lag", "cluster": "/status/clusters/prod-00043"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if r := ask(b, p, path); r.StatusCode != http.StatusOK {
					b.Fatal(r.Status)
				}
			}
		})
	}
}

// What counting a delivery costs the worker that made it.
func BenchmarkObserve(b *testing.B) {
	p := newTestPage(b, func(time.Time) api.Status { return api.Status{} })
	d := stage.Delivery{Change: &pipeline.Change{Observed: time.Now()}, Began: time.Now()}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			p.Observe("file:out", d)
		}
	})
}

// BenchmarkFollow tells which part of one core a page of 5,000 clusters takes that is
// followed by nobody, and by fifty who see something different each. One round is ten
// seconds.
func BenchmarkFollow(b *testing.B) {
	for _, readers := range []int{0, 50} {
		b.Run(fmt.Sprintf("readers=%d", readers), func(b *testing.B) {
			status := fleetOf(5000, time.Now())
			p := newTestPage(b, func(now time.Time) api.Status {
				for i := range status.Clusters { // or pages would be the same each time
					status.Clusters[i].Since = now
				}
				return status
			})
			ctx, stop := context.WithCancel(b.Context())
			var running sync.WaitGroup
			running.Go(func() { _ = p.Run(ctx) })
			server := httptest.NewServer(p.Handler())
			for i := range readers {
				path := []string{"/status", "/status/clusters?filter=00" + fmt.Sprint(i), "/status/clusters/" + clusterName(i)}[i%3]
				r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+path, nil)
				if err != nil {
					b.Fatal(err)
				}
				r.Header.Set("Accept", "text/event-stream")
				resp, err := server.Client().Do(r)
				if err != nil {
					b.Fatal(err)
				}
				running.Go(func() {
					defer resp.Body.Close()
					for s := bufio.NewReader(resp.Body); ; {
						if _, err := s.Discard(64 << 10); err != nil {
							return
						}
					}
				})
			}
			for b.Loop() {
				before, limit := processorTime(b), time.After(10*time.Second)
				select {
				case <-limit:
				case <-ctx.Done():
				}
				b.ReportMetric((processorTime(b)-before).Seconds()*1000/10, "ms-CPU/s")
			}
			stop()
			running.Wait()
			server.Close()
		})
	}
}

func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
