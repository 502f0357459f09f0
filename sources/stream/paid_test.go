package stream

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/pipeline/budget"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
	"github.com/fairlead-dev/fairlead/pipeline/stage"
)

// fill takes all that a route's accounts can have together, until free is called.
func fill(share *budget.Share) (free func()) {
	account := share.Account("other")
	var loans []budget.Loan
	for _, n := range []int{1 << 20, pipeline.ChangeOverhead} {
		for l, ok := account.Try(budget.Ask{Own: n}); ok; l, ok = account.Try(budget.Ask{Own: n}) {
			loans = append(loans, l)
		}
	}
	return func() {
		for i := range loans {
			loans[i].Release()
		}
		account.Close()
	}
}

// A stream that ends while one of its routes waits for memory for a large frame gives
// back what the others have got for it.
func TestEndWithoutMemoryForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget := budget.New(budget.Least(2, MostReading), 2, MostReading)
		var routes []Route
		for _, name := range []string{"well", "hung"} {
			q := stage.NewQueue(queue.Options[*pipeline.Change, pipeline.Key]{Name: name})
			defer q.ShutDown()
			routes = append(routes, Route{Name: name, Queue: q, Memory: budget.Route()})
		}
		free := fill(routes[1].Memory)
		large := newFlood(10, func(int) int { return 3 << 20 })
		_, end := large.follow(t, "c", newLedger(t), routes...)
		time.Sleep(holdMost / 2)
		if s := budget.Stats(); s.Reading == 0 || s.Waiting != 1 {
			t.Errorf("nobody waits for a frame: %+v", s)
		}
		end()
		free()
		if s := budget.Stats(); s.Reading != 0 || s.Held != 0 {
			t.Errorf("left is %+v", s)
		}
	})
}

// offers takes so many changes, and then none.
type offers struct {
	Offerer
	most  int
	taken []*pipeline.Change
}

var errOffered = errors.New("no more changes are taken")

func (o *offers) Offer(_ context.Context, c *pipeline.Change, _ int) error {
	if len(o.taken) == o.most {
		return errOffered
	}
	o.taken = append(o.taken, c)
	return nil
}

// The deletions of what nobody follows any more are within the memory of their route,
// too, and wait for it.
func TestLeaveWithinMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const objects = 10
		l := newLedger(t)
		id := ledger.StreamID{Cluster: "c", ClusterUID: "u", Resource: "configmaps", Route: "a"}
		cursor, _ := l.Claim(ledger.Claiming{ID: id})
		for i := range objects {
			name, version := ledger.Name{Name: fmt.Sprint(i)}, ledger.Version{UID: fmt.Sprint("uid-", i), ResourceVersion: fmt.Sprint(i + 1)}
			o := cursor.Observe(name, version, false, false, nil)
			_, _, safe, _ := cursor.Begin(o.Sequence, name, version, false)
			if safe != nil {
				<-safe
			}
			cursor.Ack(o.Sequence, name, version, false)
		}
		budget := budget.New(budget.Least(1, MostReading), 1, MostReading)
		q := &offers{most: objects - 1}
		route := Route{Name: "a", Queue: q, Memory: budget.Route()}
		free := fill(route.Memory)
		ended := make(chan error, 1)
		go func() { ended <- Retire(t.Context(), route, cursor, 1) }()
		synctest.Wait()
		if s := budget.Stats(); len(q.taken) != 0 || s.Waiting != 1 {
			t.Errorf("%d deletions are handed over without memory; %+v", len(q.taken), s)
		}
		free()
		if err := <-ended; !errors.Is(err, errOffered) {
			t.Errorf("ended with %v", err)
		}
		if n := budget.Stats().Held; len(q.taken) != objects-1 || n != (objects-1)*pipeline.ChangeOverhead {
			t.Errorf("%d deletions wait, and have %d bytes", len(q.taken), n)
		}
		for _, c := range q.taken {
			c.Release()
		}
		if s := budget.Stats(); s.Reading != 0 || s.Held != 0 {
			t.Errorf("left is %+v", s)
		}
	})
}

// counting is a server that counts the watches it gives, those with a list included.
type counting struct {
	*flood
	watches atomic.Int32
}

func (c *counting) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Query().Get("watch") == "true" {
		c.watches.Add(1)
	}
	return c.flood.RoundTrip(r)
}

// A route without memory for what it reads says so. It does not read all that comes before
// that again and again, but begins once there is so much; and then it has all.
func TestRouteBeginsOnceThereIsWhatItLacked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const last = 5
		memory := budget.New(budget.Least(2, MostReading), 2, MostReading)
		var routes []Route
		var queues []*stage.Queue
		var sinks sync.WaitGroup
		var got [2]atomic.Int32
		for i, name := range []string{"well", "poor"} {
			q := stage.NewQueue(queue.Options[*pipeline.Change, pipeline.Key]{Name: name})
			queues = append(queues, q)
			routes = append(routes, Route{Name: name, Queue: q, Memory: memory.Route()})
			sinks.Go(func() { deliver(q, func(*pipeline.Change) { got[i].Add(1) }) })
		}
		other := routes[1].Memory.Account("other")
		var held []budget.Loan
		for l, ok := other.Try(budget.Ask{Own: 1 << 20}); ok; l, ok = other.Try(budget.Ask{Own: 1 << 20}) {
			held = append(held, l)
		}
		held[0].Release() // enough to begin
		server := &counting{flood: newFlood(last, func(int) int { return 1 << 20 })}
		conn := &fakeConnection{server: server.docs, stale: map[string]bool{}}
		conn.through(t, &http.Client{Transport: server}, "cluster-1")
		s := New(Options{Cluster: "c", Spec: Spec{Resource: "configmaps"}, Connection: conn, Routes: routes, Ledger: newLedger(t)})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		time.Sleep(10 * time.Minute)
		route := s.Status().Routes[1]
		if route.InStep || route.Why != behindMemory {
			t.Errorf("the route without memory stands at %+v", route)
		}
		if n := server.watches.Load(); n > 8 {
			t.Errorf("%d watches in ten minutes", n)
		}
		if got[0].Load() != last-1 || got[1].Load() != 0 {
			t.Errorf("%d and %d came", got[0].Load(), got[1].Load())
		}
		for i := range held {
			held[i].Release()
		}
		other.Close()
		time.Sleep(10 * time.Minute)
		if route := s.Status().Routes[1]; got[1].Load() != last-1 || !route.InStep {
			t.Errorf("%d came once there was memory; %+v", got[1].Load(), route)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		for _, q := range queues {
			q.ShutDown()
		}
		sinks.Wait()
		if s := memory.Stats(); s.Reading != 0 || s.Held != 0 {
			t.Errorf("left is %+v", s)
		}
	})
}
