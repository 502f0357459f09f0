package sources

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
	"github.com/fairlead-dev/fairlead/pipeline/stage"
	"github.com/fairlead-dev/fairlead/sources/connection"
	"github.com/fairlead-dev/fairlead/sources/fleet"
	"github.com/fairlead-dev/fairlead/sources/stream"
)

// movedOn is a server that tells whoever watches on from version 10 of one more change.
type movedOn struct{ *server }

func (s *movedOn) RoundTrip(r *http.Request) (*http.Response, error) {
	q := r.URL.Query()
	if r.URL.Path != "/api/v1/configmaps" || q.Get("watch") == "" || q.Get("sendInitialEvents") != "" {
		return s.server.RoundTrip(r)
	}
	body, w := io.Pipe()
	context.AfterFunc(r.Context(), func() { _ = w.CloseWithError(r.Context().Err()) })
	go func() {
		_, _ = io.WriteString(w, `{"type":"MODIFIED","object":{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"of-u1","namespace":"ns","uid":"object-of-u1","resourceVersion":"11"}}}`+"\n")
	}()
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: body, Request: r}, nil
}

// heldUp is a queue in front of which what is sent again loses its processor.
type heldUp struct {
	*stage.Queue
	in, gate chan struct{}
}

func (q *heldUp) Offer(ctx context.Context, c *pipeline.Change, priority int) error {
	if strings.Contains(string(c.Object), "again") {
		close(q.in)
		<-q.gate
	}
	return q.Queue.Offer(ctx, c, priority)
}

// TestRetryOfAMemberThatLeaves has a state sent again while its member leaves, and
// returns at once with a newer one, or does not. Nothing older is delivered last, and
// no lane is left behind.
func TestRetryOfAMemberThatLeaves(t *testing.T) {
	for _, returns := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			l, err := ledger.Open(t.Context(), ledger.Options{})
			if err != nil {
				t.Fatal(err)
			}
			specs, err := stream.ParseSpecs([]string{"configmaps"})
			if err != nil {
				t.Fatal(err)
			}
			q := &heldUp{
				Queue: stage.NewQueue(queue.Options[*pipeline.Change, pipeline.Key]{}), // as the program's
				in:    make(chan struct{}), gate: make(chan struct{}),
			}
			quick := stream.Config{ReconnectMin: 10 * time.Millisecond, ReconnectMax: time.Second, StaleAfter: 1000 * time.Hour, AuditInterval: -1}
			s := New(Options{
				Config: Config{
					Connection: connection.Config{ReconnectMin: 10 * time.Millisecond, ReconnectMax: time.Second, HealthInterval: time.Second},
					Stream:     quick,
				},
				Specs: specs, Routes: []Route{{Name: "a", Queue: q}}, Ledger: ledger.NewHandle(l, nil),
			})
			ctx, cancel := context.WithCancel(context.Background())
			var wg sync.WaitGroup
			wg.Go(func() { _ = s.Run(ctx) })
			var mu sync.Mutex
			var told []string
			wg.Go(func() {
				for {
					c, shutdown := q.Get()
					if shutdown {
						return
					}
					if _, _, superseded := c.Origin.Tracker.Begin(c); !superseded {
						mu.Lock()
						told = append(told, c.ResourceVersion)
						mu.Unlock()
						c.Origin.Tracker.Ack(c)
					}
					q.Done(c)
				}
			})
			defer wg.Wait()
			defer q.ShutDown()
			defer cancel()

			srv := &server{uid: "u1"}
			s.Set(srv.member("m"))
			pass()
			wg.Go(func() {
				_, _ = s.Redeliver(t.Context(), "a", &pipeline.Event{
					ID: "/v1/configmaps/object-of-u1/5", Source: "/clusters/m", Type: "dev.fairlead.resource.added.v1",
					Cluster: "m", ClusterUID: "u1", APIVersion: "v1", Kind: "ConfigMap", Namespace: "ns", Name: "of-u1", ResourceVersion: "5",
					Data: []byte(`{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"of-u1","namespace":"ns","uid":"object-of-u1","resourceVersion":"5"},"note":"again"}`),
				})
			})
			<-q.in
			s.Remove("m")
			pass()
			if returns {
				s.Set(fleet.Member{Name: "m", REST: &rest.Config{Host: "http://u1", Transport: &movedOn{srv}}})
				pass()
			}
			close(q.gate)
			time.Sleep(time.Minute)
			mu.Lock()
			defer mu.Unlock()
			want, lanes := []string{"5", "11"}, 1
			if !returns {
				want, lanes = []string{"5"}, 0
			}
			// It may have come into the lane before that was removed.
			told = slices.Compact(told)
			if !slices.Equal(told, want) || len(q.Lanes()) != lanes {
				t.Errorf("it returns: %t; delivered are versions %v, want %v; %d lanes, want %d", returns, told, want, len(q.Lanes()), lanes)
			}
		})
	}
}
