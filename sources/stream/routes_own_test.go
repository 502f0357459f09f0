package stream

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
)

// counted is what a server has been asked for, and what sinks have been told, at one moment.
type counted struct {
	Lists, Opened, Watches int
	Told                   [simRoutes]int
}

func (s *simulation) count() (c counted) {
	s.server.mu.Lock()
	c.Lists, c.Opened, c.Watches = s.server.lists, s.server.opened, s.server.watches
	s.server.mu.Unlock()
	for i, sink := range s.sinks {
		sink.mu.Lock()
		c.Told[i] = sink.delivered
		sink.mu.Unlock()
	}
	return c
}

// inStep runs a test on three routes that are in step, with some objects.
func inStep(t *testing.T, test func(s *simulation)) {
	synctest.Test(t, func(t *testing.T) {
		random := func(stream uint64) *rand.Rand { return rand.New(rand.NewPCG(3, stream)) }
		s := &simulation{t: t, rand: random(7), server: newSimServer(random(8)), store: &simStore{cursors: map[string]*simCursor{}}}
		for i := range s.sinks {
			s.sinks[i] = newSimSink(random(uint64(9 + i)))
		}
		s.begin()
		for range 20 {
			s.server.write()
		}
		s.settle()
		test(s)
		s.settle()
		for i, sink := range s.sinks {
			for _, problem := range sink.compare(s.server, "rb") {
				t.Errorf("sink %d: %s", i, problem)
			}
		}
		if c := s.count(); c.Watches != 1 {
			t.Errorf("%d watches in the end", c.Watches)
		}
		s.kill()
	})
}

// Routes that are in step read together: there is one list and one watch, however many
// they are.
func TestRoutesInStepReadOnce(t *testing.T) {
	inStep(t, func(s *simulation) {
		before := s.count()
		if before.Lists != 1 || before.Watches != 1 || before.Told[0] == 0 || before.Told[0] != before.Told[1] {
			t.Errorf("%+v", before)
		}
		for range 20 {
			s.server.write()
			time.Sleep(time.Second)
		}
		if now := s.count(); now.Lists != 1 || now.Watches != 1 || now.Told[2] == before.Told[2] {
			t.Errorf("%+v after changes, %+v before", now, before)
		}
	})
}

// A replay to one route, or a repair of what one sink has, concerns that route only: it
// takes a snapshot, once, and the others watch on from where they are.
func TestAReplayOfOneRouteIsItsOwn(t *testing.T) {
	for name, replay := range map[string]func(s *simulation) error{
		"all of it": func(s *simulation) error {
			_, err := s.stream.ReplaySome(t.Context(), Selector{Route: simName(1)}, false)
			return err
		},
		"one namespace": func(s *simulation) error {
			_, err := s.stream.ReplaySome(t.Context(), Selector{Namespace: "ns", Route: simName(1)}, false)
			return err
		},
		"a repair": func(s *simulation) error {
			c, err := s.stream.Compare(simName(1))
			if err != nil {
				return err
			}
			var names []ObjectName
			for name := range s.server.objects {
				names = append(names, ObjectName{"ns", name})
			}
			_, err = c.Repair(names)
			return err
		},
		"a repair of what the ledger does not know": func(s *simulation) error {
			c, err := s.stream.Compare(simName(1))
			if err != nil {
				return err
			}
			_, err = c.Repair([]ObjectName{{"ns", "z"}})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			inStep(t, func(s *simulation) {
				before := s.count()
				objects := len(s.server.objects)
				if name == "a repair of what the ledger does not know" {
					objects = 0
				}
				if err := replay(s); err != nil {
					t.Fatal(err)
				}
				time.Sleep(20 * time.Second) // watches end after minutes
				synctest.Wait()
				now := s.count()
				want := before
				want.Lists++
				want.Told[1] += objects
				want.Opened = now.Opened
				if now != want || now.Opened > before.Opened+3 {
					t.Errorf("%+v, want %+v; before %+v", now, want, before)
				}
				if n := s.stream.Status().Snapshots["replay"]; n != 1 {
					t.Errorf("%d replays", n)
				}
			})
		})
	}
}

// A replay of one route that is asked for in the middle of a snapshot of all: the others do
// not take it again.
func TestAReplayOfOneRouteWithinASnapshotOfAll(t *testing.T) {
	inStep(t, func(s *simulation) {
		s.sinks[1].mu.Lock()
		s.sinks[1].slow = 2 * time.Second
		s.sinks[1].mu.Unlock()
		before := s.count()
		_, _ = s.stream.Replay()
		synctest.Wait()
		if _, err := s.stream.ReplaySome(t.Context(), Selector{Route: simName(1)}, false); err != nil {
			t.Fatal(err)
		}
		s.settle()
		now := s.count()
		for i, told := range now.Told {
			if i != 1 && told != before.Told[i]+len(s.server.objects) {
				t.Errorf("sink %d was told of %d changes of %d objects", i, told-before.Told[i], len(s.server.objects))
			}
		}
		if now.Lists > before.Lists+2 {
			t.Errorf("%d lists for two replays", now.Lists-before.Lists)
		}
	})
}

// What is asked for while a route catches up is not lost when it joins the others.
func TestReplaysOfOneRouteOneAfterTheOther(t *testing.T) {
	inStep(t, func(s *simulation) {
		for i := range 30 {
			if _, err := s.stream.ReplaySome(t.Context(), Selector{Route: simName(i % simRoutes)}, false); err != nil {
				t.Fatal(err)
			}
			s.server.write()
			time.Sleep(time.Duration(s.rand.IntN(300)) * time.Millisecond)
		}
		before := s.count()
		if _, err := s.stream.ReplaySome(t.Context(), Selector{Route: simName(1)}, false); err != nil {
			t.Fatal(err)
		}
		s.settle()
		if now := s.count(); now.Told[1] < before.Told[1]+len(s.server.objects) {
			t.Errorf("%d changes of %d objects", now.Told[1]-before.Told[1], len(s.server.objects))
		}
	})
}
