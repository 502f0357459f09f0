package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/pipeline/stage"
	"github.com/fairlead-dev/fairlead/sources"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// counter is a sink that counts what it is given and for how long it was on its
// way.
type counter struct {
	mu    sync.Mutex
	total int
	lags  []time.Duration // of live changes, since they were last asked for
}

// Write implements pipeline.Sink.
func (c *counter) Write(_ context.Context, batch []*pipeline.Change) error {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.total += len(batch)
	for _, change := range batch {
		if !change.Snapshot {
			c.lags = append(c.lags, now.Sub(change.Observed))
		}
	}
	return nil
}

// take returns how many changes came so far, and the sorted lags since the last
// call.
func (c *counter) take() (total int, lags []time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	lags, c.lags = c.lags, nil
	slices.Sort(lags)
	return c.total, lags
}

// percentile of sorted lags; zero if there are none.
func percentile(lags []time.Duration, p int) time.Duration {
	if len(lags) == 0 {
		return 0
	}
	return lags[(len(lags)-1)*p/100]
}

// tellAll tells how the following goes, until ctx ends.
func tellAll(ctx context.Context, s settings, out io.Writer, count *counter, queue *stage.Queue, members *sources.Sources) {
	ticker := time.NewTicker(s.interval)
	defer ticker.Stop()
	start, before, allLive := time.Now(), 0, false
	told := start
	streams := s.shape.Clusters * len(s.shape.Resources)
	for {
		last := false
		select {
		case <-ctx.Done():
			last = true
		case <-ticker.C:
		}
		live := 0
		for _, m := range members.Status() {
			for _, st := range m.Streams {
				if st.State == member.Live {
					live++
				}
			}
		}
		total, lags := count.take()
		var memory runtime.MemStats
		runtime.ReadMemStats(&memory)
		_, _ = fmt.Fprintf(out, "fairlead: %d of %d streams live, %.0f changes/s delivered, %d wait; lag p50 %v, p99 %v; heap %.0f MiB, %d goroutines\n",
			live, streams, float64(total-before)/time.Since(told).Seconds(), queue.Len(),
			percentile(lags, 50).Round(10*time.Microsecond), percentile(lags, 99).Round(10*time.Microsecond),
			float64(memory.HeapAlloc)/(1<<20), runtime.NumGoroutine())
		before, told = total, time.Now()
		if live == streams && !allLive {
			allLive = true
			_, _ = fmt.Fprintf(out, "fairlead: all streams are live, after at most %v\n", time.Since(start).Round(time.Second))
		}
		if last {
			return
		}
	}
}
