package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/pipeline/budget"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
	"github.com/fairlead-dev/fairlead/pipeline/stage"
)

// stalling is a flood of which each watch says nothing more after so many bytes.
type stalling struct {
	*flood
	after int
}

func (s stalling) RoundTrip(r *http.Request) (*http.Response, error) {
	a, err := s.flood.RoundTrip(r)
	if err == nil && r.URL.Query().Get("watch") == "true" {
		a.Body = &stallingBody{a.Body, s.after, r.Context().Done()}
	}
	return a, err
}

type stallingBody struct {
	io.ReadCloser
	left int
	done <-chan struct{}
}

func (b *stallingBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		<-b.done
		return 0, io.ErrUnexpectedEOF
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// Members that begin a large object and do not go on keep the memory that they hold for
// it from the others for minutes at most, and then come back ever more rarely.
func TestMembersThatStallInALargeFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const members, last = 20, 11
		budget := budget.New(budget.Least(1, MostReading), 1, MostReading)
		q := stage.NewQueue(queue.Options[*pipeline.Change, pipeline.Key]{})
		route := Route{Name: "r", Queue: q, Memory: budget.Route()}
		came := make(chan time.Time, last)
		var sink, streams sync.WaitGroup
		sink.Go(func() { deliver(q, func(*pipeline.Change) { came <- time.Now() }) })
		l := newLedger(t)
		ctx, cancel := context.WithCancel(t.Context())
		var bad []*Stream
		for i := range members {
			f := newFlood(10, func(int) int { return 10 << 20 })
			conn := &fakeConnection{server: f.docs, stale: map[string]bool{}}
			conn.through(t, &http.Client{Transport: stalling{f, 2<<20 + 100<<10}}, "cluster-1")
			s := New(Options{Cluster: fmt.Sprint("bad-", i), Spec: Spec{Resource: "configmaps"}, Connection: conn, Routes: []Route{route}, Ledger: l})
			streams.Go(func() { _ = s.Run(ctx) })
			bad = append(bad, s)
		}
		time.Sleep(time.Second)
		f := newFlood(last, func(int) int { return 900 << 10 })
		_, end := f.follow(t, "healthy", l, route)
		began := time.Now()
		time.Sleep(time.Hour)
		if n := len(came); n != last-1 {
			t.Errorf("%d of %d changes have come; %+v", n, last-1, budget.Stats())
		}
		for range len(came) {
			at := <-came
			// Each that stalls holds memory for 64 s, and the turns are by chance: 3 of
			// them one after the other are common, 5 come in one run of a hundred.
			if after := at.Sub(began); after > 10*64*time.Second {
				t.Errorf("a change came %s after the one before it", after)
			}
			began = at
		}
		for _, s := range bad {
			if n := s.Status().Reconnects[noMemory.String()]; n < 10 || n > 600 {
				t.Errorf("a member that stalls was read from %d times in an hour", n)
			}
		}
		cancel()
		end()
		streams.Wait()
		q.ShutDown()
		sink.Wait()
		if s := budget.Stats(); s.Reading != 0 || s.Held != 0 {
			t.Errorf("left is %+v", s)
		}
	})
}

// A large object may be as slow as it is while nobody waits for its memory. While
// somebody does, it has half a minute, and as long as it takes at 64 KiB a second.
func TestDeadlineOfALargeFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		var contended atomic.Bool
		g := newWatchdog(cancel, Config{StaleAfter: DefaultStaleAfter, SyncTimeout: DefaultSyncTimeout}, contended.Load)
		conn := &fakeConnection{server: newFakeServer(), stale: map[string]bool{}}
		conn.through(t, http.DefaultClient, "cluster-1")
		session, err := conn.Acquire(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer g.watch(session)()
		g.enter(reading)
		slow := func(n int, rate int) {
			g.frame(time.Now())
			g.beginFrame()
			for i := 0; i < n && ctx.Err() == nil; i += rate {
				time.Sleep(time.Second)
				g.frameRead(i + rate)
			}
		}
		slow(4<<20, frameRate)
		g.endFrame()
		if time.Sleep(time.Minute); ctx.Err() != nil {
			t.Fatalf("cut: %v", context.Cause(ctx))
		}
		slow(16<<20, 16<<10) // 17 minutes
		if ctx.Err() != nil {
			t.Fatalf("cut although nobody waits: %v", context.Cause(ctx))
		}
		contended.Store(true)
		began := time.Now()
		slow(4<<20, frameRate/2)
		if took := time.Since(began); !errors.Is(context.Cause(ctx), errStalled) || took < 55*time.Second || took > 65*time.Second {
			t.Errorf("after %s: %v", took, context.Cause(ctx))
		}
	})
}
