package stream

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/pipeline/budget"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
	"github.com/fairlead-dev/fairlead/pipeline/selection"
	"github.com/fairlead-dev/fairlead/pipeline/stage"
	"github.com/fairlead-dev/fairlead/ratelimit"
	"github.com/fairlead-dev/fairlead/sources/stream/wire"
)

var (
	routeSeeds = flag.Int("route-seeds", 25, "random histories of routes")
	routeSeed  = flag.Uint64("route-seed", 0, "only this random history of routes")
)

const simRoutes = 3

// simulation is a stream with its routes against a simulated server: what there is
// in one cluster of a program, through any number of processes.
type simulation struct {
	t      *testing.T
	rand   *rand.Rand
	server *simServer
	store  *simStore
	sinks  [simRoutes]*simSink

	colour string // of the selection; "": all
	rules  [simRoutes]*selection.Rules
	labels map[string]string // of the cluster
	out    [simRoutes]bool

	turn     time.Duration     // for which a route that is behind may read; 0: the default
	bucket   *ratelimit.Bucket // of the stream's limit
	throttle *Throttle

	stream *Stream
	ledger *ledger.Ledger
	queues []*stage.Queue
	kill   func()
}

// begin starts a process.
func (s *simulation) begin() {
	ctx, kill := context.WithCancel(s.t.Context())
	var ends []chan struct{}
	run := func(f func(context.Context) error) {
		end := make(chan struct{})
		ends = append(ends, end)
		go func() {
			defer close(end)
			if err := f(ctx); err != nil && ctx.Err() == nil {
				s.t.Error(err)
			}
		}()
	}
	store := &mortalStore{simStore: s.store}
	var names []string
	for i := range s.sinks {
		if !s.out[i] {
			names = append(names, simName(i))
		}
	}
	l, err := ledger.Open(ctx, ledger.Options{Store: store, Routes: names, Log: logr.Discard()})
	if err != nil {
		s.t.Fatal(err)
	}
	s.ledger = l
	mgr, err := manager.New(&rest.Config{Host: "https://hub.invalid"}, manager.Options{
		Logger: logr.Discard(), Metrics: metricsserver.Options{BindAddress: "0"}, HealthProbeBindAddress: "0",
		GracefulShutdownTimeout: new(time.Duration(-1)),
	})
	if err != nil {
		s.t.Fatal(err)
	}
	var routes []Route
	var queues []*stage.Queue
	budget := budget.New(0, simRoutes, MostReading)
	for i, sink := range s.sinks {
		clear(sink.newest)
		if s.out[i] {
			continue
		}
		q := stage.NewQueue(queue.Options[*pipeline.Change, pipeline.Key]{LaneCapacity: 3})
		stage, err := stage.New(stage.Options{
			Queue: q, Destination: sink, Workers: 2, Registerer: prometheus.NewRegistry(), Log: logr.Discard(),
		})
		if err != nil {
			s.t.Fatal(err)
		}
		if err := stage.SetupWithManager(mgr); err != nil {
			s.t.Fatal(err)
		}
		routes, queues = append(routes, Route{Name: simName(i), Queue: q, Memory: budget.Route(), Rules: s.rules[i]}), append(queues, q)
	}
	s.queues = queues
	conn := &fakeConnection{server: s.server.docs, stale: map[string]bool{}}
	conn.renew(s.t, "cluster-1")
	conn.through(s.t, &http.Client{Transport: s.server}, "cluster-1")
	spec := Spec{Resource: "configmaps"}
	if s.colour != "" {
		spec.Labels = "colour=" + s.colour
	}
	l.Join("c")
	extra := 1 + s.rand.IntN(2)
	s.stream = New(Options{
		Cluster: "c", Spec: spec, Connection: conn, Routes: routes, Ledger: l, Claims: NewClaims(), Buffers: new(wire.Buffers),
		ExtraWatches: extra, Labels: s.labels,
		Config: Config{ReconnectMin: 100 * time.Millisecond, ReconnectMax: time.Second, turn: s.turn},
	})
	if s.bucket == nil {
		s.bucket = ratelimit.NewBucket(ratelimit.Limit{})
		s.throttle = NewThrottle(s.bucket)
	}
	s.stream.SetThrottles(map[string]*Throttle{"configmaps": s.throttle})
	run(l.Run)
	run(mgr.Start)
	run(s.stream.Run)
	s.kill = func() {
		if s.rand.IntN(2) == 0 {
			store.dead.Store(true)
		}
		kill()
		for _, q := range queues {
			q.ShutDown()
		}
		for _, end := range ends {
			<-end
		}
		if st := budget.Stats(); st.Reading != 0 || st.Held != 0 {
			s.t.Errorf("when all has ended, memory is lent: %+v", st)
		}
		if most := s.server.mostWatches(); most > 1+extra {
			s.t.Errorf("%d watches at once, of which %d may be beside the shared one", most, extra)
		}
	}
}

func simName(i int) string { return fmt.Sprintf("sink-%d", i) }

// mortalStore is the store as one process sees it: what that writes once it has been
// killed is lost.
type mortalStore struct {
	*simStore
	dead atomic.Bool
}

func (s *mortalStore) Apply(ctx context.Context, updates []ledger.Update) error {
	if s.dead.Load() {
		return errors.New("the process is dead")
	}
	return s.simStore.Apply(ctx, updates)
}

// step lets something happen.
func (s *simulation) step() {
	r := s.rand
	sink := s.sinks[r.IntN(simRoutes)]
	switch x := r.Float64(); {
	case x < 0.55:
		s.server.write()
	case x < 0.60:
		s.server.compact()
	case x < 0.64:
		s.server.cutAll()
	case x < 0.74:
		sink.mu.Lock()
		if sink.hung == nil {
			sink.hung = make(chan struct{})
		} else {
			close(sink.hung)
			sink.hung = nil
		}
		sink.mu.Unlock()
	case x < 0.78:
		sink.mu.Lock()
		sink.slow = time.Duration(r.IntN(300)) * time.Millisecond
		sink.mu.Unlock()
	case x < 0.79:
		s.replay()
	case x < 0.80:
		s.replayOne(simName(r.IntN(simRoutes)))
	case x < 0.83:
		s.restart(func() {})
	case x < 0.85: // another selection
		s.restart(func() { s.colour = []string{"", "r", "b"}[r.IntN(3)] })
	case x < 0.92 && x >= 0.87: // somebody wants memory
		for _, q := range s.queues {
			q.Evict()
		}
	case x < 0.87: // one is taken out, or comes back
		s.restart(func() {
			i := r.IntN(simRoutes)
			if s.out[i] || !slices.Contains(append(s.out[:i:i], s.out[i+1:]...), true) {
				s.out[i] = !s.out[i]
			}
		})
	case x >= 0.97:
		s.limit()
	default: // all that can happen at once does
		synctest.Wait()
	}
	time.Sleep(time.Duration(r.ExpFloat64() * float64(200*time.Millisecond)))
}

// limit gives the stream and one of the routes other limits, or none.
func (s *simulation) limit() {
	limits := []ratelimit.Limit{{}, {QPS: 1, Burst: 1}, {QPS: 20, Burst: 5}}
	s.limitStream(limits[s.rand.IntN(len(limits))])
	s.queues[s.rand.IntN(len(s.queues))].SetTotalLimit(limits[s.rand.IntN(len(limits))])
}

func (s *simulation) limitStream(l ratelimit.Limit) {
	s.bucket.Set(l)
	s.throttle.Changed()
}

// replay has everything delivered again to the sinks that are there. Once the ledger is
// flushed it is promised, whatever happens to the process.
func (s *simulation) replay() {
	var asked []*simSink
	for i, sink := range s.sinks {
		if !s.out[i] {
			asked = append(asked, sink)
			sink.mu.Lock()
			sink.asking++
			sink.mu.Unlock()
		}
	}
	_, _ = s.stream.Replay()
	if s.rand.IntN(4) == 0 {
		return // nobody waits for its confirmation
	}
	if err := s.ledger.Flush(s.t.Context(), "c"); err != nil {
		s.t.Error(err)
		return
	}
	for _, sink := range asked {
		sink.mu.Lock()
		sink.asked = sink.asking
		sink.mu.Unlock()
	}
}

// replayOne replays one route, if there is such.
func (s *simulation) replayOne(route string) {
	if _, err := s.stream.ReplaySome(s.t.Context(), Selector{Route: route}, false); err != nil && !errors.Is(err, errNoRoute) {
		s.t.Error(err)
	}
}

func (s *simulation) restart(change func()) {
	s.kill()
	change()
	s.begin()
}

// settle lets all come to rest. No route is behind then, and there is one watch.
func (s *simulation) settle() {
	for _, sink := range s.sinks {
		sink.mu.Lock()
		if sink.hung != nil {
			close(sink.hung)
		}
		sink.hung, sink.slow, sink.refuses = nil, 0, 0
		sink.mu.Unlock()
	}
	s.limitStream(ratelimit.Limit{})
	for _, q := range s.queues {
		q.SetTotalLimit(ratelimit.Limit{})
	}
	time.Sleep(30 * time.Minute)
	synctest.Wait()
	for _, route := range s.stream.Status().Routes {
		if !route.InStep {
			s.t.Errorf("route %s is still behind: %+v", route.Route, route)
		}
	}
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	if s.server.watches != 1 {
		s.t.Errorf("%d watches at rest", s.server.watches)
	}
}

// TestRoutes runs random histories: whatever happens, each sink ends up with what its
// stream selects, also one that orders by sequence, and one that drops for ever what
// has an id that it had before; and no sink is told of anything older than it has.
func TestRoutes(t *testing.T) {
	first, n := uint64(1), uint64(*routeSeeds)
	if *routeSeed != 0 {
		first, n = *routeSeed, 1
	}
	for seed := first; seed < first+n; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { runRoutes(t, seed) })
		})
	}
}

func runRoutes(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 7))
	s := &simulation{t: t, rand: r, server: newSimServer(rand.New(rand.NewPCG(seed, 8))), store: &simStore{cursors: map[string]*simCursor{}}}
	s.server.odd = seed%2 == 0
	if seed%4 > 1 {
		s.turn = 100 * time.Millisecond
	}
	for i := range s.sinks {
		s.sinks[i] = newSimSink(rand.New(rand.NewPCG(seed, uint64(9+i))))
		s.sinks[i].odd = s.server.odd
		s.sinks[i].refuses = []float64{0, 0.2}[r.IntN(2)]
	}
	s.begin()
	for range 300 {
		s.step()
	}
	s.compare("before a restart") // which would mend what the process has missed
	for range 4 {
		s.trouble()
		s.compare("after trouble")
	}
	back := s.colour
	was, told := s.out, s.count().Told
	for i, colour := range []string{back, []string{"r", "b"}[r.IntN(2)], back} { // in the end all are narrowed, and widened again
		s.restart(func() {
			s.colour = colour
			s.out = [simRoutes]bool{}
		})
		s.compare("after a restart")
		if i > 0 || s.server.odd {
			continue
		}
		// Nothing was under way. Who was there before has nothing to be told, also where one
		// that was not has come back, and they read together from its position.
		for i, now := range s.count().Told {
			if !was[i] && now != told[i] {
				t.Errorf("sink %d is told of %d changes again", i, now-told[i])
			}
		}
	}
	s.kill()
}

// trouble has one sink hang for seconds in which a few objects change. Nothing comes later
// that would hide what its route has missed.
func (s *simulation) trouble() {
	sink := s.sinks[s.rand.IntN(simRoutes)]
	sink.mu.Lock()
	sink.hung = make(chan struct{})
	sink.mu.Unlock()
	for range 4 + s.rand.IntN(12) {
		s.server.write()
		time.Sleep(time.Duration(s.rand.ExpFloat64() * float64(500*time.Millisecond)))
	}
	synctest.Wait()
}

// compare lets all come to rest, and tells what is wrong in the sinks then.
func (s *simulation) compare(when string) {
	s.settle()
	want := cmp.Or(s.colour, "rb")
	for i, sink := range s.sinks {
		if s.out[i] {
			continue
		}
		for _, problem := range sink.compare(s.server, want) {
			s.t.Errorf("%s: sink %d: %s", when, i, problem)
		}
		if s.t.Failed() && *routeSeed != 0 {
			s.t.Log(strings.Join(sink.told, "\n"))
		}
	}
}
