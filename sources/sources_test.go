package sources

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/ledger/bolt"
	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/sources/fleet"
)

func TestMembersComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, "cm,secrets")
		a, b := &server{uid: "a"}, &server{uid: "b"}
		h.sources.Set(b.member("second"))
		h.sources.Set(a.member("first"))
		h.wantLive("first", "second")
		if got := h.sources.Status()[1].Source; got != "from b" {
			t.Errorf("source is %q", got)
		}
		h.queue.told()

		h.sources.Remove("first")
		h.sources.Remove("first")
		h.sources.Remove("nobody")
		h.wantLive("second")
		if diff := cmp.Diff([]string{"first"}, h.removed()); diff != "" {
			t.Errorf("removed (-want +got):\n%s", diff)
		}
		// Leaving is not deleting; who is back goes on from where it was.
		asked := len(a.asked())
		h.sources.Set(a.member("first"))
		h.wantLive("first", "second")
		again := a.asked()[asked:]
		slices.Sort(again)
		if diff := cmp.Diff([]string{`configmaps from "10"`, `secrets from "10"`}, again); diff != "" {
			t.Errorf("watches after it is back (-want +got):\n%s", diff)
		}
		if told := h.queue.told(); len(told) != 0 {
			t.Errorf("delivered again: %v", told)
		}
		h.stop()
		if diff := cmp.Diff([]string{"first"}, h.removed()); diff != "" {
			t.Errorf("to stop is not to remove (-want +got):\n%s", diff)
		}
	})
}

func TestSetAgainWhileLeaving(t *testing.T) {
	for name, test := range map[string]struct {
		meanwhile func(s *Sources, again fleet.Member)
		after     []string
	}{
		"set":                      {func(s *Sources, again fleet.Member) { s.Set(again) }, []string{"m"}},
		"set and removed":          {func(s *Sources, again fleet.Member) { s.Set(again); s.Remove("m") }, nil},
		"set, removed and set":     {func(s *Sources, again fleet.Member) { s.Set(again); s.Remove("m"); s.Set(again) }, []string{"m"}},
		"set twice, the last wins": {func(s *Sources, again fleet.Member) { s.Set(fleet.Member{Name: "m"}); s.Set(again) }, []string{"m"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := start(t, "cm")
				h.queue.hold = make(chan struct{}) // a sink is down
				before, after := &server{uid: "a"}, &server{uid: "a"}
				h.sources.Set(before.member("m"))
				h.wantLive("m")
				h.sources.Remove("m")
				pass()
				test.meanwhile(h.sources, after.member("m"))
				pass()
				if len(h.removed()) != 0 || len(after.asked()) != 0 || len(h.sources.Status()) != 1 {
					t.Fatalf("removed %v, asked %v: its changes are still in work", h.removed(), after.asked())
				}
				if _, err := h.sources.Replay(t.Context(), "m", ""); !errors.Is(err, ErrUnknownCluster) {
					t.Errorf("replay while it leaves: %v", err)
				}
				close(h.queue.hold)
				h.wantLive(test.after...)
				if diff := cmp.Diff([]string{"m"}, h.removed()); diff != "" {
					t.Errorf("removed (-want +got):\n%s", diff)
				}
				if test.after != nil && !slices.Equal(after.asked(), []string{`configmaps from "10"`}) {
					t.Errorf("asked %v", after.asked())
				}
			})
		})
	}
}

// What a member had read and no sink had accepted is read again.
func TestLeavesWithChangesOnTheirWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, "cm")
		h.queue.down.Store(true)
		a := &server{uid: "a"}
		h.sources.Set(a.member("m"))
		h.wantLive("m")
		h.sources.Remove("m")
		h.wantLive()
		h.queue.down.Store(false)
		h.sources.Set(a.member("m"))
		h.wantLive("m")
		if diff := cmp.Diff([]string{"added of-a object-of-a of a"}, h.queue.told()); diff != "" {
			t.Errorf("delivered (-want +got):\n%s", diff)
		}
	})
}

func TestStopWhileLeaving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, "cm")
		h.queue.hold = make(chan struct{})
		a := &server{uid: "a"}
		h.sources.Set(a.member("m"))
		h.wantLive("m")
		h.sources.Remove("m")
		h.sources.Set(a.member("m"))
		pass()
		began := time.Now()
		h.stop()
		if past := time.Since(began); past != 0 || len(h.removed()) != 0 {
			t.Errorf("stopped after %s, removed %v", past, h.removed())
		}
		h.sources.Set(a.member("n")) // after the end: nothing runs
		pass()
	})
}

// New credentials and addresses keep what was delivered.
func TestNewConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, "cm")
		before, after := &server{uid: "a"}, &server{uid: "a"}
		h.sources.Set(before.member("m"))
		h.wantLive("m")
		h.queue.told()
		moved := after.member("m")
		moved.Source = "elsewhere"
		h.sources.Set(moved)
		h.wantLive("m")
		if got := h.sources.Status()[0].Source; got != "elsewhere" || !slices.Equal(after.asked(), []string{`configmaps from "10"`}) || len(h.queue.told()) != 0 {
			t.Errorf("source is %q, asked %v", got, after.asked())
		}
	})
}

// Another cluster under the name, while it lives.
func TestStreamsOfAnotherCluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, "cm")
		h.sources.Set((&server{uid: "a"}).member("m"))
		h.wantLive("m")
		h.sources.Set((&server{uid: "b"}).member("m"))
		h.wantLive("m")
		want := []string{"added of-a object-of-a of a", "deleted of-a object-of-a of a", "added of-b object-of-b of b"}
		if diff := cmp.Diff(want, h.queue.told()); diff != "" {
			t.Errorf("delivered (-want +got):\n%s", diff)
		}
	})
}

// A connection that panics is replaced, and what it had begun goes on.
func TestConnectionThatPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, "cm")
		a := &server{uid: "a"}
		h.sources.Set(a.member("m"))
		h.wantLive("m")
		a.mu.Lock()
		a.next = func() { panic("on purpose") } // in the next probe
		a.mu.Unlock()
		time.Sleep(10 * time.Second)
		h.wantLive("m")
		if diff := cmp.Diff([]string{`configmaps from ""`, `configmaps from "10"`}, a.asked()); diff != "" {
			t.Errorf("watches (-want +got):\n%s", diff)
		}
		h.sources.Remove("m")
		h.wantLive()
	})
}

// The fake servers serve ConfigMaps only.
func TestReplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, "cm", "secrets/v1?namespace=x", "wigs.example.com")
		h.sources.Set((&server{uid: "a"}).member("m"))
		h.sources.Set((&server{uid: "b"}).member("n"))
		pass()
		for _, test := range []struct {
			cluster, resource string
			streams, waiting  int
			err               error
			says              string
		}{
			{"m", "", 1, 2, nil, ""},
			{"m", "cm", 1, 0, nil, ""},
			{"m", "configmaps", 1, 0, nil, ""},
			{"m", "secrets/v1?namespace=x", 0, 1, nil, ""},
			{"m", "secrets/v1", 0, 1, nil, ""},
			{"m", "secrets", 0, 1, nil, ""},
			{"m", "wigs.example.com", 0, 1, nil, ""},
			{"m", "wigs", 0, 0, ErrUnknownResource, "cm, secrets/v1?namespace=x, wigs.example.com"},
			{"m", "secrets/v2", 0, 0, ErrUnknownResource, ""},
			{"m", "?", 0, 0, ErrUnknownResource, ""},
			{"o", "", 0, 0, ErrUnknownCluster, "m, n"},
		} {
			r, err := h.sources.Replay(t.Context(), test.cluster, test.resource)
			if r.Streams != test.streams || len(r.Waiting) != test.waiting || !errors.Is(err, test.err) || err != nil && !strings.Contains(err.Error(), test.says) {
				t.Errorf("Replay(%q, %q) = %+v, %v", test.cluster, test.resource, r, err)
			}
			for _, w := range r.Waiting {
				if w.Stream == "cm" || w.Reason != "missing" {
					t.Errorf("waiting is %+v", w)
				}
			}
		}
		pass()
		h.queue.told()
		if _, err := h.sources.Replay(t.Context(), "n", "cm"); err != nil {
			t.Error(err)
		}
		pass()
		if diff := cmp.Diff([]string{"updated of-b object-of-b of b"}, h.queue.told()); diff != "" {
			t.Errorf("delivered (-want +got):\n%s", diff)
		}
	})
}

// Only what left the fleet is forgotten, not who is in it with every run.
func TestCursorsOfMembersDoNotExpire(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger")
	for run := range 3 {
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(time.Duration(run) * 100 * time.Hour)
			store, err := bolt.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = store.Close() }()
			l, err := ledger.Open(t.Context(), ledger.Options{Store: store, Retention: time.Hour})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan error, 1)
			go func() { done <- l.Run(ctx) }()
			defer func() {
				cancel()
				if err := <-done; err != nil {
					t.Error(err)
				}
			}()
			h := startOn(t, l, "cm")
			defer h.stop()
			a := &server{uid: "a"}
			h.sources.Set(a.member("m"))
			h.wantLive("m")
			want := `configmaps from "10"`
			if run == 0 {
				want = `configmaps from ""`
			}
			if got := a.asked(); !slices.Equal(got, []string{want}) {
				t.Errorf("run %d asked %v, want %s", run, got, want)
			}
		})
	}
}

func TestEnumerate(t *testing.T) {
	var names []string
	for i := range 25 {
		names = append(names, fmt.Sprint("c", i))
	}
	if got := enumerate(names); !strings.HasSuffix(got, "c19 and 5 more") {
		t.Error(got)
	}
	if got := enumerate(nil); got != "none" {
		t.Error(got)
	}
}

// Everything at once, for the race detector.
func TestConcurrentUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, "cm")
		servers := []*server{{uid: "a"}, {uid: "b"}, {uid: "a"}}
		var wg sync.WaitGroup
		for i, s := range servers {
			wg.Go(func() {
				for range 50 {
					h.sources.Set(s.member("m"))
					time.Sleep(time.Duration(i+3) * time.Millisecond)
					h.sources.Status()
					if i == 0 {
						h.sources.Remove("m")
					}
					_, _ = h.sources.Replay(t.Context(), "m", "")
					time.Sleep(30 * time.Millisecond)
				}
			})
		}
		wg.Wait()
		h.sources.Set(servers[0].member("m"))
		time.Sleep(10 * time.Second)
		h.wantLive("m")
		h.queue.mu.Lock()
		defer h.queue.mu.Unlock()
		if len(h.queue.objects) != 1 {
			t.Errorf("the sink holds %v", h.queue.objects)
		}
	})
}
