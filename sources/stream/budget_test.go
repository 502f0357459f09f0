package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
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
	"github.com/fairlead-dev/fairlead/sources/stream/wire"
)

// flood is a server of which one object after the other is added, of versions 2 to
// last, as fast as it is read.
type flood struct {
	docs *fakeServer
	size func(version int) int
	last int
	gone atomic.Bool // a list of one is empty
}

func newFlood(last int, size func(int) int) *flood {
	f := &flood{docs: newFakeServer(), size: size, last: last}
	f.docs.set("/api/v1/namespaces/kube-system", `{"metadata":{"name":"kube-system","uid":"cluster-1"}}`)
	return f
}

func (f *flood) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.HasSuffix(r.URL.Path, "/configmaps") {
		return f.docs.RoundTrip(r)
	}
	q := r.URL.Query()
	if name, ok := strings.CutPrefix(q.Get("fieldSelector"), "metadata.name=o-"); ok {
		i, _ := strconv.Atoi(name)
		if f.gone.Load() {
			return answer(io.NopCloser(strings.NewReader(fmt.Sprintf(`{"kind":"ConfigMapList","apiVersion":"v1","metadata":{"resourceVersion":"%d"},"items":[]}`, f.last)))), nil
		}
		return answer(io.NopCloser(strings.NewReader(fmt.Sprintf(`{"kind":"ConfigMapList","apiVersion":"v1","metadata":{"resourceVersion":"%d"},"items":[%s]}`,
			f.last, floodObject(i)+strings.Repeat("x", f.size(i))+`"}}`)))), nil
	}
	if q.Get("watch") != "true" {
		return answer(io.NopCloser(strings.NewReader(fmt.Sprintf(
			`{"kind":"ConfigMapList","apiVersion":"v1","metadata":{"resourceVersion":"%d"},"items":[]}`, f.last)))), nil
	}
	body := &floodBody{flood: f, done: r.Context().Done()}
	if q.Get("sendInitialEvents") == "true" {
		body.next, body.frame = 2, []byte(endMark("1")+"\n")
	} else {
		from, _ := strconv.Atoi(q.Get("resourceVersion"))
		body.next = from + 1
	}
	return answer(body), nil
}

func answer(body io.ReadCloser) *http.Response {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: body}
}

var floodPadding = strings.Repeat("x", 64<<10)

// floodBody holds no more than the start of a frame.
type floodBody struct {
	*flood
	next    int
	frame   []byte // that is left of its start or end
	padding int    // that follows
	tail    string // that follows the padding
	done    <-chan struct{}
}

func (b *floodBody) Read(p []byte) (n int, err error) {
	switch {
	case len(b.frame) > 0:
		n = copy(p, b.frame)
		b.frame = b.frame[n:]
	case b.padding > 0:
		n = copy(p, floodPadding[:min(len(floodPadding), b.padding)])
		b.padding -= n
	case b.tail != "":
		b.frame, b.tail = []byte(b.tail), ""
		return b.Read(p)
	case b.next > b.last:
		<-b.done
		return 0, io.ErrUnexpectedEOF
	default:
		i := b.next
		b.next++
		b.frame = []byte(`{"type":"ADDED","object":` + floodObject(i))
		b.padding, b.tail = b.size(i), `"}}}`+"\n"
		return b.Read(p)
	}
	return n, nil
}

// floodObject is the start of an object.
func floodObject(i int) string {
	return fmt.Sprintf(`{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"o-%d","namespace":"default",`+
		`"uid":"uid-%d","resourceVersion":"%d"},"data":{"x":"`, i, i, i)
}

func (b *floodBody) Close() error { return nil }

// follow runs a stream of a flood until end is called.
func (f *flood) follow(t *testing.T, cluster string, l *ledger.Ledger, routes ...Route) (s *Stream, end func()) {
	t.Helper()
	conn := &fakeConnection{server: f.docs, stale: map[string]bool{}}
	conn.through(t, &http.Client{Transport: f}, "cluster-1")
	s = New(Options{Cluster: cluster, Spec: Spec{Resource: "configmaps"}, Connection: conn, Routes: routes, Ledger: l, Buffers: new(wire.Buffers)})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := s.Run(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, queue.ErrShuttingDown) {
			t.Error(err)
		}
	}()
	return s, func() {
		cancel()
		<-done
	}
}

// deliver acks what comes to a queue, until that shuts down; for each it asks take.
func deliver(q *stage.Queue, take func(*pipeline.Change)) {
	for {
		c, shutdown := q.Get()
		if shutdown {
			return
		}
		take(c)
		_, safe, superseded := c.Origin.Tracker.Begin(c)
		if safe != nil {
			<-safe
		}
		if !superseded {
			c.Origin.Tracker.Ack(c)
		}
		c.Release()
		q.Done(c)
	}
}

// TestHungRouteKeepsMemoryFromNobody: the sink of one route hangs until all that the
// route can have of the memory is used up. The other one goes on as if it were alone,
// also with objects that are larger than its part; and when the first one comes back,
// nothing has been lost.
func TestHungRouteKeepsMemoryFromNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const last = 1500
		limit := budget.Least(2, MostReading)
		budget := budget.New(limit, 2, MostReading)
		f := newFlood(last, func(i int) int {
			switch {
			case i%200 == 0:
				return 9 << 20
			case i%20 == 0:
				return 300 << 10
			}
			return 50 << 10
		})
		queues := [2]*stage.Queue{}
		var routes []Route
		var got [2]map[string]int
		var mu sync.Mutex
		var sinks sync.WaitGroup
		hang := make(chan struct{})
		for i, name := range []string{"well", "hung"} {
			q := stage.NewQueue(queue.Options[*pipeline.Change, pipeline.Key]{Name: name, LaneCapacity: 1e6, LaneBytes: 1 << 40})
			queues[i], got[i] = q, map[string]int{}
			routes = append(routes, Route{Name: name, Queue: q, Memory: budget.Route()})
			sinks.Go(func() {
				deliver(q, func(c *pipeline.Change) {
					if i == 1 {
						<-hang
					}
					if s := budget.Stats(); s.Reading+s.Held > limit {
						t.Errorf("%+v", s)
					}
					mu.Lock()
					defer mu.Unlock()
					got[i][c.Key.Name] = len(c.Object)
				})
			})
		}
		count := func(i int) int {
			mu.Lock()
			defer mu.Unlock()
			return len(got[i])
		}
		s, end := f.follow(t, "c", newLedger(t), routes...)
		time.Sleep(5 * time.Second) // it may be held up for a second, and a twentieth of the time
		if n := count(0); n != last-1 {
			t.Errorf("%d of %d changes came to the sink that is well; %+v; %+v", n, last-1, budget.Stats(), s.Status())
		}
		if st := budget.Stats(); st.Held < limit/8 || st.Waiting == 0 {
			t.Errorf("the hung sink's route holds %d of %d, and %d wait", st.Held, limit, st.Waiting)
		}
		close(hang)
		time.Sleep(10 * time.Minute)
		if n := count(1); n != last-1 {
			t.Errorf("%d of %d changes came to the sink that was hung; %+v; %+v", n, last-1, budget.Stats(), s.Status())
		}
		end()
		for _, q := range queues {
			q.ShutDown()
		}
		sinks.Wait()
		if st := budget.Stats(); st.Reading != 0 || st.Held != 0 || st.Waiting != 0 {
			t.Errorf("at the end it stands at %+v", st)
		}
	})
}
