package sources

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
	"github.com/fairlead-dev/fairlead/sources/cache"
	"github.com/fairlead-dev/fairlead/sources/fleet"
)

// sim is a fleet in a bubble, whose only source feeds a queue.
type sim struct {
	t      *testing.T
	caches *Caches
	queue  *queue.Queue[queue.Request, queue.Request]
	lines  atomic.Int64 // in the log
	log    strings.Builder
}

func simulate(t *testing.T, o CachesOptions, f func(t *testing.T, s *sim)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &sim{t: t, queue: queue.New(queue.Options[queue.Request, queue.Request]{
			Cluster:  func(r queue.Request) string { return r.Cluster },
			Identity: func(r queue.Request) queue.Request { return r },
		})}
		var mu sync.Mutex
		o.Log = funcr.New(func(prefix, args string) {
			mu.Lock()
			defer mu.Unlock()
			s.lines.Add(1)
			_, _ = fmt.Fprintln(&s.log, time.Now().Format(time.TimeOnly), prefix, args)
		}, funcr.Options{Verbosity: 1})
		caches, err := NewCaches(o)
		if err != nil {
			t.Fatal(err)
		}
		s.caches = caches
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = caches.Run(ctx) })
		if err := cache.Kind(caches.Fleet, &corev1.ConfigMap{}, cache.EnqueueRequestForObject).Start(ctx, s.queue); err != nil {
			t.Fatal(err)
		}
		f(t, s)
		cancel()
		wg.Wait()
		s.queue.ShutDown()
		if t.Failed() {
			t.Log(s.log.String())
		}
	})
}

// drain returns what waits in the queue as "cluster/name" with "?" after those
// of low priority, sorted.
func (s *sim) drain() []string {
	got := []string{}
	for s.queue.Len() > 0 {
		r, priority, _ := s.queue.GetWithPriority()
		name := r.Cluster + "/" + r.Name
		if priority < 0 {
			name += "?"
		}
		got = append(got, name)
		s.queue.Done(r)
	}
	slices.Sort(got)
	return got
}

func (s *sim) want(when string, want ...string) {
	s.t.Helper()
	synctest.Wait()
	if diff := cmp.Diff(append([]string{}, want...), s.drain()); diff != "" {
		s.t.Errorf("%s: requests (-want +got):\n%s", when, diff)
	}
}

func (s *sim) state(cluster string, want cache.State) cache.Status {
	s.t.Helper()
	synctest.Wait()
	got := s.caches.State(cluster)
	if got.State != want {
		s.t.Errorf("state of %s %+v, want %s", cluster, got, want)
	}
	return got
}

func (s *sim) set(name string, f *fakeAPI) {
	s.caches.Set(fleet.Member{Name: name, REST: f.rest("one")})
}

func (s *sim) client(name string) client.Client {
	s.t.Helper()
	c, err := s.caches.Client(name)
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

func (s *sim) get(cluster, name string) error {
	return s.client(cluster).Get(s.t.Context(), client.ObjectKey{Namespace: "default", Name: name}, &corev1.ConfigMap{})
}

// TestCut60Seconds is the promise in numbers: reads go on and tell their age,
// calls fail at once, nothing is logged per retry, and two seconds after the
// end everything is live, with nothing told twice.
func TestCut60Seconds(t *testing.T) {
	for range 5 { // delays are random
		simulate(t, CachesOptions{}, func(t *testing.T, s *sim) {
			f := newFakeAPI("A", "x", "y")
			s.set("a", f)
			time.Sleep(5 * time.Minute)
			s.state("a", cache.Live)
			s.want("first list", "a/x?", "a/y?")
			lines, initial := s.lines.Load(), f.count("initial")+f.count("list")

			f.cut()
			time.Sleep(time.Minute)
			status := s.state("a", cache.BackingOff)
			if age := status.Age(); age < time.Minute || age > 2*time.Minute {
				t.Errorf("age %v after a minute without news", age)
			}
			if time.Since(status.Since) < 59*time.Second {
				t.Errorf("since %v", time.Since(status.Since))
			}
			if err := s.get("a", "x"); err != nil {
				t.Errorf("read: %v", err)
			}
			before := time.Now()
			err := s.client("a").Create(t.Context(), configMap("default", "z", ""))
			if !errors.Is(err, cache.ErrClusterUnavailable) || !time.Now().Equal(before) {
				t.Errorf("write after %v: %v", time.Since(before), err)
			}
			f.put("x")
			f.put("new")
			f.restore()
			time.Sleep(2 * time.Second)
			if s.state("a", cache.Live).Age() > 2*time.Second {
				t.Errorf("age %v when live again", s.caches.State("a").Age())
			}
			s.want("after the cut", "a/new", "a/x")
			if again := f.count("initial") + f.count("list"); again != initial {
				t.Errorf("%d lists because of a cut", again-initial)
			}
			// Down, and up again.
			if told := s.lines.Load() - lines; told > 3 {
				t.Errorf("%d lines in the log because of a cut", told)
			}
		})
	}
}

// TestBadMembersHoldNobodyUp: down, hanging, forbidding and hanging in its
// list only; the good one is served at once.
func TestBadMembersHoldNobodyUp(t *testing.T) {
	simulate(t, CachesOptions{}, func(t *testing.T, s *sim) {
		answers := map[string]func(*http.Request) (*http.Response, error){
			"hanging": hang, "forbidding": lists(forbidden), "slow": lists(hang),
		}
		bad := map[string]*fakeAPI{"down": newFakeAPI("D", "x")}
		bad["down"].cut()
		for name, override := range answers {
			bad[name] = newFakeAPI(name, "x")
			bad[name].override = override
		}
		for name, f := range bad {
			s.set(name, f)
		}
		synctest.Wait()
		before := time.Now()
		s.set("good", newFakeAPI("G", "x"))
		s.want("the good one", "good/x?")
		if took := time.Since(before); took > 0 {
			t.Errorf("it took %v", took)
		}
		s.state("good", cache.Live)
		s.state("down", cache.BackingOff)
		s.state("hanging", cache.Connecting)
		if got := s.state("forbidding", cache.Syncing); !strings.Contains(got.Reason, "not for you") {
			t.Errorf("reason %q", got.Reason)
		}
		s.state("slow", cache.Syncing)

		// Reads of the bad ones: at once, or when the first list is overdue,
		// and at once from then on.
		for name, want := range map[string]time.Duration{"down": 0, "hanging": 0, "forbidding": 0, "slow": cache.DefaultCacheSyncTimeout} {
			for range 2 {
				start := time.Now()
				if err := s.get(name, "x"); !errors.Is(err, cache.ErrClusterUnavailable) || time.Since(start) > want {
					t.Errorf("read of %s after %v: %v", name, time.Since(start), err)
				}
				want = 0
			}
		}
		for _, name := range []string{"hanging", "forbidding", "slow"} {
			s.state(name, cache.BackingOff)
		}

		// They come late, and are served then.
		for _, f := range bad {
			f.restore()
		}
		time.Sleep(2 * time.Minute)
		s.want("all well", "down/x?", "forbidding/x?", "hanging/x?", "slow/x?")
		for name := range bad {
			s.state(name, cache.Live)
		}
	})
}

// TestNewCredentials: they take effect at once, for informers too, and tell
// nothing again.
func TestNewCredentials(t *testing.T) {
	simulate(t, CachesOptions{}, func(t *testing.T, s *sim) {
		f := newFakeAPI("A", "x")
		s.set("a", f)
		s.want("first list", "a/x?")
		for _, pause := range []time.Duration{0, time.Hour} { // with and without events before
			time.Sleep(pause)
			f.mu.Lock()
			clear(f.tokens)
			f.mu.Unlock()
			s.caches.Set(fleet.Member{Name: "a", REST: f.rest("two")})
			time.Sleep(2 * time.Second)
			f.put("y")
			s.want("new credentials", "a/y")
			s.state("a", cache.Live)
			f.mu.Lock()
			if len(f.tokens) != 1 || f.tokens["Bearer two"] == 0 {
				t.Errorf("tokens %v", f.tokens)
			}
			f.mu.Unlock()
		}
		if f.count("initial")+f.count("list") != 1 {
			t.Errorf("requests %v", f.requests)
		}
		// Refused ones, and the right ones at last.
		f.set(func() { f.override = lists(forbidden) })
		s.caches.Set(fleet.Member{Name: "a", REST: f.rest("three")})
		time.Sleep(time.Hour)
		s.state("a", cache.Stale)
		f.restore()
		s.caches.Set(fleet.Member{Name: "a", REST: f.rest("four")})
		s.state("a", cache.Live)
		s.want("nothing new")
	})
}

// TestSilentWatch: probes pass, but a watch says nothing any more.
func TestSilentWatch(t *testing.T) {
	simulate(t, CachesOptions{}, func(t *testing.T, s *sim) {
		f := newFakeAPI("A", "x")
		s.set("a", f)
		s.want("first list", "a/x?")
		f.freeze()
		f.put("y")
		time.Sleep(cache.DefaultStaleAfter - time.Second)
		s.want("silence")
		watches := f.count("watch")
		f.restore()
		time.Sleep(3 * time.Second)
		s.want("watched again", "a/y")
		if f.count("watch") != watches+1 {
			t.Errorf("%d watches, %d before", f.count("watch"), watches)
		}
		s.state("a", cache.Live)
	})
}

// TestHangIsCut: a server that hangs is given up by its probe, and what waits
// for it ends.
func TestHangIsCut(t *testing.T) {
	simulate(t, CachesOptions{Cache: cache.Config{StaleAfter: time.Hour}}, func(t *testing.T, s *sim) {
		f := newFakeAPI("A", "x")
		s.set("a", f)
		s.want("first list", "a/x?")
		f.set(func() { f.override = hang })
		f.freeze()
		start := time.Now()
		err := s.client("a").Create(t.Context(), configMap("default", "z", ""))
		if took := time.Since(start); err == nil || took > 2*time.Minute {
			t.Errorf("write after %v: %v", took, err)
		}
		time.Sleep(2 * time.Minute)
		s.state("a", cache.BackingOff)
		start = time.Now()
		if err := s.client("a").Create(t.Context(), configMap("default", "z", "")); !errors.Is(err, cache.ErrClusterUnavailable) || time.Since(start) > 0 {
			t.Errorf("write after %v: %v", time.Since(start), err)
		}
		f.put("y")
		f.restore()
		time.Sleep(time.Minute)
		s.state("a", cache.Live)
		s.want("after the hang", "a/y")
	})
}

// TestAnotherCluster: the objects of the cluster that had the name before are
// told as deleted, whatever the numbers of their versions are.
func TestAnotherCluster(t *testing.T) {
	for _, version := range []int{1, 5000} {
		simulate(t, CachesOptions{}, func(t *testing.T, s *sim) {
			f := newFakeAPI("A", "x", "only-in-a")
			s.set("a", f)
			s.want("first list", "a/only-in-a?", "a/x?")
			time.Sleep(time.Minute)
			other := newFakeAPI("B")
			other.version = version
			other.put("x")
			other.put("only-in-b")
			s.caches.Set(fleet.Member{Name: "a", REST: other.rest("")})
			time.Sleep(time.Minute)
			s.want("another cluster", "a/only-in-a", "a/only-in-b", "a/x")
			if err := s.get("a", "only-in-a"); client.IgnoreNotFound(err) != nil || err == nil {
				t.Errorf("read of what was in the other: %v", err)
			}
			s.state("a", cache.Live)
		})
	}
}
