package stream

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// takers are sinks that take one change after another from the lanes of a harness's routes.
type takers struct {
	mu    sync.Mutex
	taken map[string][]string // by route
}

// wait returns after a while, or when ctx ends.
func wait(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// take has a sink take what its lane has, each after a while. It stops taking when down is
// closed; nil: never.
func (s *takers) take(t *testing.T, route Route, each time.Duration, down <-chan struct{}) {
	for {
		select {
		case <-down:
			return
		case c := <-route.Queue.(*fakeQueue).changes:
			if wait(t.Context(), each); t.Context().Err() != nil {
				return
			}
			begin(c)
			c.Origin.Tracker.Ack(c)
			s.mu.Lock()
			s.taken[route.Name] = append(s.taken[route.Name], describe(c)+" of "+c.Origin.ClusterUID)
			s.mu.Unlock()
		case <-t.Context().Done():
			return
		}
	}
}

func (s *takers) of(route string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.taken[route]...)
}

// startRoutes starts a stream with those routes beside a, and lanes of some length.
func startRoutes(t *testing.T, extra, lane int, names ...string) (*harness, *takers) {
	h := start(t, func(o *Options) {
		o.ExtraWatches = extra
		for _, name := range names {
			o.Routes = append(o.Routes, Route{Name: name, Queue: &fakeQueue{changes: make(chan *pipeline.Change, lane)}})
		}
	})
	return h, &takers{taken: map[string][]string{}}
}

// serve answers all calls, each in a goroutine of its own.
func (h *harness) serve(answer func(*fakeCall)) {
	go func() {
		for {
			select {
			case c := <-h.server.calls:
				go answer(c)
			case <-h.t.Context().Done():
				return
			}
		}
	}()
}

func (h *harness) inStep() (names []string) {
	for _, r := range h.stream.Status().Routes {
		if r.InStep {
			names = append(names, r.Route)
		}
	}
	return names
}

// Two sinks that stay slower than the changes come do not keep a third one from catching up
// that was away for a minute, although they could use both extra watches for ever.
func TestSlowRoutesGiveWayToOneThatCatchesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, sinks := startRoutes(t, 2, 2, "slow-1", "slow-2", "late")
		began := time.Now()
		version := func() int { return 20 + int(time.Since(began)/time.Second) } // there is one change each second
		h.serve(func(c *fakeCall) {
			body, from := c.open(), 20
			if c.kind() == "streaming list" {
				from = version()
				body.send(event("ADDED", "a", 1), event("ADDED", "b", 2), endMark(fmt.Sprint(from)))
			} else {
				_, _ = fmt.Sscanf(c.kind(), "watch from %d", &from)
			}
			for c.Context().Err() == nil {
				if from < version() {
					from++
					body.send(event("MODIFIED", fmt.Sprint("m", from), from))
					continue
				}
				wait(c.Context(), time.Second)
			}
		})
		go sinks.take(t, h.opts.Routes[0], 0, nil)
		go sinks.take(t, h.opts.Routes[1], 5*time.Second, nil)
		go sinks.take(t, h.opts.Routes[2], 5*time.Second, nil)
		time.Sleep(time.Minute)
		go sinks.take(t, h.opts.Routes[3], 0, nil)
		// It waits for one turn at the most, whose last change may wait for a lane meanwhile.
		time.Sleep(turnLasts + noRoomFor + 10*time.Second)
		synctest.Wait()
		if got := fmt.Sprint(h.inStep()); got != "[a late]" {
			t.Errorf("in step are %s", got)
		}
		slow := len(sinks.of("slow-1"))
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := fmt.Sprint(h.inStep()); got != "[a late]" {
			t.Errorf("in step are %s after an hour", got)
		}
		if a, late := len(sinks.of("a")), len(sinks.of("late")); late < a-2 {
			t.Errorf("the sink that was away took %d changes of %d", late, a)
		}
		if now := len(sinks.of("slow-1")); now < slow+600 { // of 720 that it could take
			t.Errorf("the slow sink took %d in an hour", now-slow)
		}
	})
}

// While a sink is down, the deletions of a cluster that was replaced under its name, and what the
// new one has, reach all others: also if it is that route whose reader the others would join,
// and there are fewer extra watches than they are.
func TestReplacedClusterBesideASinkThatIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, sinks := startRoutes(t, 2, 100, "b", "c", "d")
		h.serve(func(c *fakeCall) {
			if body := c.open(); c.kind() == "streaming list" {
				body.send(event("ADDED", "o", 1), endMark("10"))
			}
		})
		down := make(chan struct{})
		for i, route := range h.opts.Routes {
			if i < 3 {
				go sinks.take(t, route, 0, nil)
			} else {
				go sinks.take(t, route, 0, down)
			}
		}
		time.Sleep(time.Minute)
		close(down)
		h.conn.renew(t, "cluster-2")
		time.Sleep(turnLasts)
		synctest.Wait()
		const want = "[added o uid-o@1 snapshot of cluster-1 deleted o uid-o@10 snapshot tombstone nothing of cluster-1 added o uid-o@1 snapshot of cluster-2]"
		for _, name := range []string{"a", "b", "c"} {
			if got := fmt.Sprint(sinks.of(name)); got != want {
				t.Errorf("%s was told of %s", name, got)
			}
		}
		if got := fmt.Sprint(h.inStep()); got != "[a b c]" {
			t.Errorf("in step are %s", got)
		}
		if r := h.stream.Status().Routes[3]; r.Why != behindUnread {
			t.Errorf("d is behind because of %q", r.Why)
		}
	})
}

// A snapshot that takes many turns goes further with each, although a turn reads again what was
// delivered before, which takes longer than a turn lasts. What was accepted is not delivered again.
func TestSnapshotInTurns(t *testing.T) {
	const objects, lane, slow, each = 60, 2, 6 * time.Second, 20 * time.Second // to read one, and to take one
	for name, answer := range map[string]func(*fakeCall){
		"as a stream": func(c *fakeCall) {
			body := c.open()
			if c.kind() != "streaming list" {
				return
			}
			for i := range objects {
				wait(c.Context(), slow)
				body.send(event("ADDED", fmt.Sprint("o", i), 1+i))
			}
			body.send(endMark("100"))
		},
		"in pages whose token expires": pagesOf(objects, slow),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, sinks := startRoutes(t, 1, lane, "slow-1", "slow-2")
				h.serve(answer)
				go sinks.take(t, h.opts.Routes[0], 0, nil)
				go sinks.take(t, h.opts.Routes[1], each, nil)
				go sinks.take(t, h.opts.Routes[2], each, nil)
				// A turn takes six minutes to read what was delivered before, five more, and one for
				// the last change. There are five for each of the two.
				time.Sleep(2 * 5 * 12 * time.Minute)
				synctest.Wait()
				if got := fmt.Sprint(h.inStep()); got != "[a slow-1 slow-2]" {
					t.Errorf("in step are %s", got)
				}
				n := uint64(0)
				for _, taken := range h.stream.Status().Snapshots {
					n += taken
				}
				if n > 1+2*5 { // one for all, in which the two are left behind
					t.Errorf("%d snapshots were taken", n)
				}
				for _, r := range h.opts.Routes {
					told, all := map[string]bool{}, sinks.of(r.Name)
					for _, change := range all {
						told[strings.Fields(change)[1]] = true
					}
					// What waits in a lane when its turn ends may come twice: this lane does not know that
					// it has it. In a turn a sink takes listTurnLasts/each objects, and all in five.
					const again = 5 * (lane + 1)
					if len(told) != objects || len(all) > objects+again {
						t.Errorf("%s was told %d times of %d objects, want %d", r.Name, len(all), len(told), objects)
					}
				}
			})
		})
	}
}

// The deletions of a cluster that was replaced reach each sink within its turns: a slow one does
// not keep its watch until all are accepted.
func TestReplacedClusterInTurns(t *testing.T) {
	const objects, each = 30, 10 * time.Second
	synctest.Test(t, func(t *testing.T) {
		h, sinks := startRoutes(t, 1, 2, "slow-1", "slow-2")
		h.serve(func(c *fakeCall) {
			if body := c.open(); c.kind() == "streaming list" {
				for i := range objects {
					body.send(event("ADDED", fmt.Sprint("o", i), 1+i))
				}
				body.send(endMark("100"))
			}
		})
		go sinks.take(t, h.opts.Routes[0], 0, nil)
		go sinks.take(t, h.opts.Routes[1], each, nil)
		go sinks.take(t, h.opts.Routes[2], each, nil)
		allInStep := func() {
			time.Sleep(time.Hour)
			synctest.Wait()
			if got := fmt.Sprint(h.inStep()); got != "[a slow-1 slow-2]" {
				t.Errorf("in step are %s", got)
			}
		}
		allInStep()
		h.conn.renew(t, "cluster-2")
		time.Sleep(3 * (turnLasts + each)) // a turn of each
		synctest.Wait()
		for _, r := range h.opts.Routes {
			if all := strings.Join(sinks.of(r.Name), "\n"); !strings.Contains(all, "deleted ") {
				t.Errorf("%s was told of no deletion", r.Name)
			}
		}
		allInStep()
	})
}

// pagesOf answers with lists in two pages, whose second one is not there any more after five
// minutes.
func pagesOf(objects int, slow time.Duration) func(*fakeCall) {
	var mu sync.Mutex
	var began time.Time
	return func(c *fakeCall) {
		first, last, next := 0, objects/2, "second"
		mu.Lock()
		switch kind := c.kind(); {
		case kind == "streaming list":
			c.reply(404, status(404, "NotFound", "no streaming lists"))
		case kind == "list by 500":
			began = time.Now()
		case kind == "list at second by 500":
			if time.Since(began) > 5*time.Minute {
				c.reply(410, status(410, "Expired", "the token has expired"))
			}
			first, last, next = last, objects, ""
		default:
			c.open()
		}
		mu.Unlock()
		if len(c.answer) > 0 || c.query().Get("watch") == "true" {
			return
		}
		var items []string
		for i := first; i < last; i++ {
			items = append(items, configMap(fmt.Sprint("o", i), 1+i))
		}
		wait(c.Context(), slow)
		c.reply(200, listOf(100, next, items...))
	}
}

// A reader that has a watch takes the place of a main reader that is to have none for long. One
// whose watch is only opened again keeps its place: those who have read that far would read again
// what they have.
func TestWhoTakesThePlaceOfTheMainReader(t *testing.T) {
	for name, test := range map[string]struct {
		main func(*reader)
		at   string
		want bool
	}{
		"one of several takes a snapshot": {func(r *reader) {
			r.inStep = append(r.inStep, newBranch(Route{Name: "c"}))
			r.watchesNothing(true)
		}, "9", false},
		"its watch has ended":        {func(r *reader) { r.watches("10"); r.watchesNothing(false) }, "11", false},
		"there is a watch":           {func(r *reader) { r.watches("10") }, "9", false},
		"a snapshot is under way":    {func(r *reader) { r.watches("10"); r.watchesNothing(true) }, "9", true},
		"the first watch is to be":   {func(*reader) {}, "9", false},
		"the main one is held up":    {func(r *reader) { r.watches("10"); r.blocked = true }, "10", true},
		"that is of another cluster": {func(r *reader) { r.session = new(member.Session); r.watches("10"); r.blocked = true }, "10", false},
		"that is further, blocked":   {func(r *reader) { r.watches("10"); r.blocked = true }, "9", false},
		"it was of another cluster before, where there were only bookmarks up to here": {func(r *reader) {
			r.session = new(member.Session)
			r.watches("10")
			r.advance("50", true)
			r.session = nil
			r.watches("40")
		}, "20", false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := start(t, func(o *Options) { o.Routes = append(o.Routes, Route{Name: "b", Queue: new(fakeQueue)}) })
				s := New(h.opts) // which does not run: its readers are this test
				main, r := s.main.Load(), s.newReader("b", s.branches[1:])
				main.inStep, r.extra = s.branches[:1:1], true
				test.main(main)
				r.watches(test.at)
				if joined := r.join(); joined {
					t.Fatal("it has joined the main reader")
				}
				if got := s.main.Load() == r; got != test.want {
					t.Errorf("it takes the place: %v", got)
				}
				if main.turnBegan.IsZero() == test.want {
					t.Errorf("the turn of the one that was main began %v", main.turnBegan)
				}
				if main.extra == r.extra || r.extra == test.want {
					t.Errorf("extra watches: %v of the one that was main, %v of the other", main.extra, r.extra)
				}
			})
		})
	}
}

// Turns are given in the order in which routes have come for them. For each that waits one turn
// ends, and no more.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := &turns{free: 2}
		for range 2 {
			if err := turns.await(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if turns.end() {
			t.Error("a turn ends although nobody waits")
		}
		var got []int
		ctx, cancel := context.WithCancel(t.Context())
		for i, of := range []context.Context{t.Context(), ctx, t.Context()} {
			go func() {
				if turns.await(of) == nil {
					got = append(got, i)
				}
			}()
			synctest.Wait()
		}
		cancel()
		synctest.Wait()
		if ends := []bool{turns.end(), turns.end(), turns.end()}; fmt.Sprint(ends) != "[true true false]" {
			t.Errorf("of three turns end %v for two that wait", ends)
		}
		for range 2 {
			turns.release(true)
			synctest.Wait()
		}
		if fmt.Sprint(got) != "[0 2]" {
			t.Errorf("turns were given to %v", got)
		}
		turns.release(false)
		turns.release(false)
		if turns.free != 2 || turns.ending != 0 || len(turns.waiting) != 0 {
			t.Errorf("in the end %+v", turns)
		}
		for range 100 { // one that is given a turn when it waits no more passes it on
			ctx, cancel := context.WithCancel(t.Context())
			turns.free = 0
			var err error
			go func() { err = turns.await(ctx) }()
			synctest.Wait()
			cancel()
			turns.release(false)
			if synctest.Wait(); (err == nil) != (turns.free == 0) {
				t.Fatalf("await returns %v, and leaves %d turns", err, turns.free)
			}
		}
	})
}

// A route whose snapshot is refused again and again gives its turn up, too.
func TestTurnOfARouteThatIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sinks := &takers{taken: map[string][]string{}}
		lane := func(n int) *fakeQueue { return &fakeQueue{changes: make(chan *pipeline.Change, n)} }
		h := start(t, func(o *Options) { // one leaves in the first snapshot, and the other one behind it
			o.Routes = append(o.Routes, Route{Name: "refused", Queue: lane(2)}, Route{Name: "late", Queue: lane(4)})
		})
		changes := []string{event("MODIFIED", "a", 21), event("MODIFIED", "b", 22), event("MODIFIED", "c", 23)}
		var served atomic.Bool
		h.serve(func(c *fakeCall) {
			switch {
			case strings.HasPrefix(c.kind(), "watch from"):
				c.open().send(changes...)
			case served.Swap(true):
				c.reply(403, status(403, "Forbidden", "it may not list"))
			default:
				body := c.open()
				body.send(event("ADDED", "a", 1), event("ADDED", "b", 2), event("ADDED", "c", 3), endMark("20"))
				body.send(changes...)
			}
		})
		go sinks.take(t, h.opts.Routes[0], 0, nil)
		time.Sleep(time.Minute)
		go sinks.take(t, h.opts.Routes[1], 0, nil)
		time.Sleep(turnLasts)
		synctest.Wait()
		st := h.stream.Status().Routes[1]
		if st.InStep || st.Reason != forbidden.String() {
			t.Fatalf("the status of the one that is refused is %+v", st)
		}
		go sinks.take(t, h.opts.Routes[2], 0, nil)
		time.Sleep(turnLasts + 2*h.opts.Config.WithDefaults().ReconnectMax)
		synctest.Wait()
		if got := fmt.Sprint(h.inStep()); got != "[a late]" {
			t.Errorf("in step are %s", got)
		}
		if now := h.stream.Status().Routes[1]; now.Why != st.Why || now.Since != st.Since {
			t.Errorf("it is behind because of %q since %v, and was because of %q since %v", now.Why, now.Since, st.Why, st.Since)
		}
	})
}

// A turn lasts longer in a snapshot, from the first change that is handed over.
func TestWhenATurnIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, func(o *Options) {
			o.Routes = append(o.Routes, Route{Name: "b", Queue: new(fakeQueue)})
		})
		s := New(h.opts) // which does not run: its readers are this test
		s.turns.waiting = append(s.turns.waiting, make(chan struct{}))
		for _, test := range []struct {
			prepare func(*attempt)
			lasts   time.Duration
		}{
			{func(*attempt) {}, turnLasts},
			{func(a *attempt) { a.listing = true }, time.Hour},
			{func(a *attempt) { a.listing, a.handedOver = true, time.Now() }, listTurnLasts},
			{func(a *attempt) {
				a.listing, a.handedOver = true, time.Now()
				_ = a.setLive("10")
			}, turnLasts},
		} {
			s.turns.ending = 0
			r := s.newReader("b", s.branches[1:2])
			r.extra, r.turnBegan, r.target = true, time.Now(), &target{name: "configmaps"}
			a := &attempt{reader: r, watchdog: newWatchdog(func(error) {}, s.cfg, r.contended), running: t.Context()}
			test.prepare(a)
			for range time.Hour / time.Second {
				if r.turnIsOver() {
					break
				}
				time.Sleep(time.Second)
			}
			if got := time.Since(r.turnBegan); got != test.lasts {
				t.Errorf("listing %v: it is over after %v, want %v", r.listing, got, test.lasts)
			}
		}
	})
}
