package sources

import (
	"context"
	"errors"
	"fmt"
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
	states "github.com/fairlead-dev/fairlead/sources/member"
	"github.com/fairlead-dev/fairlead/sources/stream"
)

// outage is a sink that notes what it accepts. It is down until it is told to be back.
type outage struct {
	hangs bool // while it is down; else it fails
	back  chan struct{}

	mu   sync.Mutex
	told []string
}

func (s *outage) Write(ctx context.Context, changes []*pipeline.Change) error {
	if s.hangs {
		select {
		case <-s.back:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	select {
	case <-s.back:
	default:
		return errors.New("connection refused")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range changes {
		what := fmt.Sprint(c.UID, "@", c.ResourceVersion)
		if c.Op == pipeline.Deleted {
			what = fmt.Sprint("deleted ", c.UID)
		}
		s.told = append(s.told, what)
	}
	return nil
}

// has returns what the sink has accepted, without repeats.
func (s *outage) has() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Compact(slices.Clone(s.told))
}

// work hands changes of a queue to a sink, until it accepts them, as the stage and a batcher do.
func work(ctx context.Context, q *stage.Queue, sink *outage) {
	for {
		c, shutdown := q.Get()
		if shutdown {
			return
		}
		ghosts, _, superseded := c.Origin.Tracker.Begin(c)
		var all []*pipeline.Change
		for _, uid := range ghosts {
			all = append(all, &pipeline.Change{
				Key: c.Key, Origin: c.Origin, Op: pipeline.Deleted, UID: uid, ResourceVersion: c.ResourceVersion,
				Tombstone: true, Ghost: true, Sequence: c.Sequence - 1, Observed: c.Observed,
			})
		}
		all = append(all, c)
		for !superseded && ctx.Err() == nil {
			if sink.Write(ctx, all) != nil {
				select {
				case <-time.After(time.Second):
				case <-ctx.Done():
				}
				continue
			}
			for _, accepted := range all {
				c.Origin.Tracker.Ack(accepted)
			}
			break
		}
		q.Done(c)
	}
}

// ahead is a server that tells of more: whoever watches on from version 10, and in a snapshot.
type ahead struct {
	*server
	watched, listed string // frames
}

func (s *ahead) RoundTrip(r *http.Request) (*http.Response, error) {
	q := r.URL.Query()
	if r.URL.Path != "/api/v1/configmaps" || q.Get("watch") == "" {
		return s.server.RoundTrip(r)
	}
	frames := s.watched
	if q.Get("sendInitialEvents") != "" {
		frames = s.listed + `{"type":"BOOKMARK","object":{"kind":"ConfigMap","apiVersion":"v1","metadata":{"resourceVersion":"12","annotations":{"k8s.io/initial-events-end":"true"}}}}` + "\n"
	}
	body, w := io.Pipe()
	context.AfterFunc(r.Context(), func() { _ = w.CloseWithError(r.Context().Err()) })
	go func() { _, _ = io.WriteString(w, frames) }()
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: body, Request: r}, nil
}

func frame(of, uid string, version int) string {
	return fmt.Sprintf(`{"type":%q,"object":{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"of-u1","namespace":"ns","uid":%q,"resourceVersion":"%d"}}}`+"\n", of, uid, version)
}

// A sink that is down holds a change of a member that leaves, and keeps neither the member
// from the other sinks when it returns, nor what it holds from anybody. Once it is back it has
// all that it must, in order.
func TestRejoinBesideASinkThatIsDown(t *testing.T) {
	none := []string{"object-of-u1@5"}
	for name, test := range map[string]struct {
		returns  func(*server) http.RoundTripper // nil: the member does not
		up, down []string
	}{
		"newer": {
			returns: func(s *server) http.RoundTripper {
				return &ahead{s, frame("MODIFIED", "object-of-u1", 11), frame("ADDED", "object-of-u1", 11)}
			},
			up:   []string{"object-of-u1@5", "object-of-u1@11"},
			down: []string{"object-of-u1@5", "object-of-u1@11"},
		},
		"replaced": {
			returns: func(s *server) http.RoundTripper {
				return &ahead{s, frame("DELETED", "object-of-u1", 11) + frame("ADDED", "another", 12), frame("ADDED", "another", 12)}
			},
			up:   []string{"object-of-u1@5", "deleted object-of-u1", "another@12"},
			down: []string{"object-of-u1@5", "deleted object-of-u1", "another@12"},
		},
		"unchanged": {returns: func(s *server) http.RoundTripper { return s }, up: none, down: none},
		"gone":      {up: none, down: none},
	} {
		for _, hangs := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/hangs=%t", name, hangs), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := newRejoin(t, hangs)
					srv := &server{uid: "u1"}
					f.sources.Set(srv.member("m"))
					pass()
					f.sources.Remove("m")
					pass()
					var members []string
					if test.returns != nil {
						members = []string{"m"}
						f.sources.Set(fleet.Member{Name: "m", REST: &rest.Config{Host: "http://u1", Transport: test.returns(srv)}})
					}
					time.Sleep(drainAtMost)
					pass()
					f.want("up", test.up)
					f.wantLive(members)

					close(f.sinks["down"].back)
					time.Sleep(10 * time.Minute)
					synctest.Wait()
					f.want("up", test.up)
					f.want("down", test.down)
					for _, q := range f.queues {
						if lanes := len(q.Lanes()); q.Len() != 0 || lanes > len(members) {
							t.Errorf("%d lanes with %d changes", lanes, q.Len())
						}
					}
					for _, st := range f.sources.Status() {
						for _, s := range st.Streams {
							if s.Unacked != 0 {
								t.Errorf("%d objects are not acked", s.Unacked)
							}
						}
					}
				})
			})
		}
	}
}

// rejoin is a Sources with two sinks, of which one is down.
type rejoin struct {
	t       *testing.T
	sources *Sources
	sinks   map[string]*outage
	queues  []*stage.Queue
}

func newRejoin(t *testing.T, hangs bool) *rejoin {
	l, err := ledger.Open(t.Context(), ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	specs, err := stream.ParseSpecs([]string{"configmaps"})
	if err != nil {
		t.Fatal(err)
	}
	f := &rejoin{t: t, sinks: map[string]*outage{}}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	var routes []Route
	for _, name := range []string{"up", "down"} {
		sink := &outage{hangs: hangs, back: make(chan struct{})}
		if name == "up" {
			close(sink.back)
		}
		q := stage.NewQueue(queue.Options[*pipeline.Change, pipeline.Key]{})
		for range 2 { // what one has, the other could take
			wg.Go(func() { work(ctx, q, sink) })
		}
		f.sinks[name], f.queues, routes = sink, append(f.queues, q), append(routes, Route{Name: name, Queue: q})
	}
	f.sources = New(Options{
		Config: Config{
			Connection: connection.Config{ReconnectMin: 10 * time.Millisecond, ReconnectMax: time.Second, HealthInterval: time.Second},
			NameHold:   -1,
			Stream:     stream.Config{ReconnectMin: 10 * time.Millisecond, ReconnectMax: time.Second, StaleAfter: 1000 * time.Hour, AuditInterval: -1},
		},
		Specs: specs, Routes: routes, Ledger: ledger.NewHandle(l, nil),
	})
	wg.Go(func() { _ = f.sources.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		for _, q := range f.queues {
			q.ShutDown()
		}
		wg.Wait()
	})
	return f
}

func (f *rejoin) want(sink string, want []string) {
	f.t.Helper()
	if got := f.sinks[sink].has(); !slices.Equal(got, want) {
		f.t.Errorf("%s has %s, want %s", sink, strings.Join(got, ", "), strings.Join(want, ", "))
	}
}

func (f *rejoin) wantLive(want []string) {
	f.t.Helper()
	var got []string
	for _, st := range f.sources.Status() {
		got = append(got, st.Connection.Cluster)
		if st.Connection.State != states.Live {
			f.t.Errorf("%s is %s: %s", st.Connection.Cluster, st.Connection.State, st.Connection.Reason)
		}
	}
	if !slices.Equal(got, want) {
		f.t.Errorf("members %v, want %v", got, want)
	}
}
