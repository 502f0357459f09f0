package app

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks/deadletter"
)

// A lane that is full holds up no other, and each lane's records keep their order.
func TestLetterLanes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all []*deadletter.Record
		for line := range 20 {
			for _, cluster := range []string{"full", "a", "b"} {
				all = append(all, &deadletter.Record{Sink: "s", Line: line, Event: pipeline.Event{Cluster: cluster}})
			}
		}
		room := make(chan struct{})
		var mu sync.Mutex
		var sent []string
		lanes := newLetterLanes(func(r *deadletter.Record) {
			if r.Event.Cluster == "full" {
				<-room
			}
			mu.Lock()
			defer mu.Unlock()
			sent = append(sent, fmt.Sprint(r.Event.Cluster, r.Line))
		})
		of := func(cluster string) (of []string) {
			mu.Lock()
			defer mu.Unlock()
			for _, s := range sent {
				if strings.HasPrefix(s, cluster) {
					of = append(of, s)
				}
			}
			return of
		}
		var left []*deadletter.Record
		for _, r := range all {
			if !lanes.offer(t.Context(), r) {
				left = append(left, r)
			}
		}
		synctest.Wait()
		if a, b := of("a"), of("b"); len(a) != 20 || len(b) != 20 || !slices.IsSortedFunc(a, byLine) || !slices.IsSortedFunc(b, byLine) {
			t.Errorf("sent beside a full lane: %v, %v", a, b)
		}
		if n := len(of("full")); n != 0 || len(left) != 19 || !lanes.again() {
			t.Fatalf("%d of the full lane are sent, %d left", n, len(left))
		}
		close(room)
		for _, r := range left {
			lanes.retake(r)
			if !lanes.offer(t.Context(), r) {
				t.Errorf("%d is passed over although there are no others", r.Line)
			}
		}
		lanes.wg.Wait()
		if full := of("full"); len(full) != 20 || !slices.IsSortedFunc(full, byLine) || lanes.again() {
			t.Errorf("sent of the full lane: %v", full)
		}
	})
}

// byLine compares what has the same letters before its number.
func byLine(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
