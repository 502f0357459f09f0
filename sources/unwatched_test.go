package sources

import (
	"slices"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/synctest"
)

// ledgerOf returns a ledger in memory that keeps what nobody follows for three minutes.
func ledgerOf(t *testing.T) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(t.Context(), ledger.Options{Retention: 3 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// followOnce has a process follow ConfigMaps and Secrets of a member, and another one
// no Secrets.
func followOnce(t *testing.T, l *ledger.Ledger, s *server, routes ...string) {
	t.Helper()
	for _, specs := range [][]string{{"configmaps", "secrets"}, {"configmaps"}} {
		h := startFor(t, l, routes, specs...)
		h.sources.Set(s.member("m"))
		h.wantLive("m")
		h.stop()
		l.Leave("m") // what a restart forgets
	}
}

// A resource that nobody follows any more is taken leave of once the retention is
// over, and not before, whether its cluster can be reached or not; but not while a
// stream that has not found out what it follows may mean it.
func TestUnwatched(t *testing.T) {
	for name, test := range map[string]struct {
		specs []string
		down  bool // the cluster cannot be reached
		kept  bool
	}{
		"reached":                             {specs: []string{"configmaps"}},
		"not reached":                         {specs: []string{"configmaps"}, down: true},
		"a name that means nothing":           {specs: []string{"configmaps", "nosuch"}},
		"a name that is twice":                {specs: []string{"configmaps", "cm"}},
		"followed again":                      {specs: []string{"configmaps", "secrets"}, kept: true},
		"followed again, not reached":         {specs: []string{"configmaps", "secrets"}, down: true, kept: true},
		"in a namespace, not reached":         {specs: []string{"configmaps", "secrets?namespace=ns"}, down: true, kept: true},
		"a name of whatever, not reached":     {specs: []string{"configmaps", "sec"}, down: true, kept: true},
		"only other things, and not reached":  {specs: []string{"configmaps?namespace=ns"}, down: true},
		"nothing that was followed, reached":  {specs: []string{"others.example.com"}},
		"another selection of it, if reached": {specs: []string{"configmaps", "secrets?labelSelector=a"}, kept: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, a := ledgerOf(t), &server{uid: "a"}
				followOnce(t, l, a, "a")
				a.down = test.down
				h := startOn(t, l, test.specs...)
				h.sources.Set(a.member("m"))
				time.Sleep(2*time.Minute + 50*time.Second)
				if told := h.queue.told(); slices.Contains(told, "deleted of-a object-of-a of a") {
					t.Errorf("told before its time: %v", told)
				}
				time.Sleep(20 * time.Second)
				gone := 0
				for _, told := range h.queue.told() {
					if told == "deleted of-a object-of-a of a" {
						gone++
					}
				}
				want := 1
				if test.kept {
					want = 0
				}
				if name == "nothing that was followed, reached" {
					want = 2 // the ConfigMap, too
				}
				if gone != want {
					t.Errorf("%d deletions, want %d", gone, want)
				}
				if left := l.UnwatchedObjects(); len(left) != 0 && !(test.kept && test.down) {
					t.Errorf("left are %v", left)
				}
			})
		})
	}
}

// Nor need the cluster have been reached since the resource is not followed any more.
func TestUnwatchedOfAMemberThatIsNotReached(t *testing.T) {
	for dropped, specs := range map[bool][]string{true: {"configmaps"}, false: {"configmaps", "secret"}} {
		synctest.Test(t, func(t *testing.T) {
			l, a := ledgerOf(t), &server{uid: "a"}
			h := startOn(t, l, "configmaps", "secrets")
			h.sources.Set(a.member("m"))
			h.wantLive("m")
			h.stop()
			l.Leave("m")
			a.down = true
			h = startOn(t, l, specs...)
			h.sources.Set(a.member("m"))
			time.Sleep(6*time.Minute + 10*time.Second)
			if told := slices.Contains(h.queue.told(), "deleted of-a object-of-a of a"); told != dropped {
				t.Errorf("%v: leave is taken: %t", specs, told)
			}
		})
	}
}

// Leave is taken of each sink's part by itself, and goes on where it was after a restart.
func TestUnwatchedWithASinkThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, a := ledgerOf(t), &server{uid: "a", more: 3}
		followOnce(t, l, a, "a", "b")
		h := startFor(t, l, []string{"a", "b"}, "configmaps")
		h.sources.Set(a.member("m"))
		h.queues[0].down.Store(true)
		time.Sleep(4 * time.Minute)
		if told := [2]int{len(h.queues[0].told()), len(h.queues[1].told())}; told != [2]int{0, 4} {
			t.Errorf("deletions are %v, want 0 and 4", told)
		}
		h.stop()
		l.Leave("m")
		h = startFor(t, l, []string{"a", "b"}, "configmaps")
		h.sources.Set(a.member("m"))
		time.Sleep(4 * time.Minute)
		if told := [2]int{len(h.queues[0].told()), len(h.queues[1].told())}; told != [2]int{4, 0} {
			t.Errorf("deletions after a restart are %v, want 4 and 0", told)
		}
	})
}

// A name means after all what leave is taken of, in the middle of that: it ends at once,
// and nothing is lost. So it does with the member.
func TestUnwatchedIsFollowedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, a := ledgerOf(t), &server{uid: "a", more: 3}
		followOnce(t, l, a, "a")
		a.set(func() { a.bare = true })
		h := startOn(t, l, "configmaps", "secret")
		h.sources.Set(a.member("m"))
		h.queue.down.Store(true)
		leaves := func() int {
			h.sources.mu.Lock()
			defer h.sources.mu.Unlock()
			return len(h.sources.members["m"].retiring)
		}
		time.Sleep(4 * time.Minute)
		if leaves() != 1 {
			t.Fatal("no leave is taken")
		}
		a.set(func() { a.bare = false })
		time.Sleep(5 * time.Minute)
		if leaves() != 0 {
			t.Error("leave is still taken")
		}
		h.queue.down.Store(false)
		pass()
		told := h.queue.told()
		if n := len(h.queue.objects); n != 4 {
			t.Errorf("the sink holds %d Secrets, want 4; it was told %v", n, told)
		}
		if left := l.UnwatchedObjects(); len(left) != 0 {
			t.Errorf("left are %v", left)
		}
	})
}

func TestUnwatchedOfAMemberThatLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, a := ledgerOf(t), &server{uid: "a"}
		followOnce(t, l, a, "a")
		h := startOn(t, l, "configmaps")
		h.sources.Set(a.member("m"))
		h.queue.down.Store(true)
		time.Sleep(4 * time.Minute)
		h.sources.Remove("m")
		pass()
		if got := h.removed(); !slices.Equal(got, []string{"m"}) {
			t.Errorf("removed %v", got)
		}
		h.queue.down.Store(false)
		h.sources.Set(a.member("m")) // and it goes on
		time.Sleep(4 * time.Minute)
		if told := h.queue.told(); !slices.Contains(told, "deleted of-a object-of-a of a") {
			t.Errorf("told %v", told)
		}
	})
}
