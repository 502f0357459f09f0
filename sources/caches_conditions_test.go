package sources

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fairlead-dev/fairlead/internal/memberstatus"
	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
	"github.com/fairlead-dev/fairlead/ratelimit"
	states "github.com/fairlead-dev/fairlead/sources/member"
)

// The conditions of a member's caches follow the member.
func TestConditionsOfCaches(t *testing.T) {
	simulate(t, CachesOptions{}, func(t *testing.T, s *sim) {
		f := newFakeAPI("A", "x")
		s.set("m", f)
		is := func(when, want string) {
			t.Helper()
			synctest.Wait()
			all, ok := s.caches.Conditions("m", time.Now())
			var got []string
			for _, c := range all {
				got = append(got, c.Type+" "+string(c.Status))
			}
			if text := strings.Join(got, ", "); !ok || text != want {
				t.Errorf("%s: %s, want %s; %+v", when, text, want, all)
			}
		}
		time.Sleep(time.Second)
		c, err := s.caches.Client("m")
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Get(t.Context(), client.ObjectKey{Namespace: "default", Name: "x"}, &corev1.ConfigMap{}); err != nil {
			t.Fatal(err)
		}
		is("live", "Reachable True, Synced True, Fresh True, Throttled False")
		f.cut()
		time.Sleep(time.Minute)
		is("down", "Reachable False, Synced False, Fresh False, Throttled False")
		if _, ok := s.caches.Conditions("nobody", time.Now()); ok {
			t.Error("there are conditions of nobody")
		}
	})
}

// What memberclusters.fairlead.dev tells of a member and caches tell of it is made by the same
// code: its connection with attempt and next try, and whether it is throttled.
func TestConditionsOfCachesAreThoseOfTheHub(t *testing.T) {
	simulate(t, CachesOptions{}, func(t *testing.T, s *sim) {
		f := newFakeAPI("A", "x")
		s.set("m", f)
		time.Sleep(time.Second)
		same := func(when string, state states.State) {
			t.Helper()
			synctest.Wait()
			now := time.Now()
			conn, ok := s.caches.Connection("m")
			if !ok || conn.State != state {
				t.Fatalf("%s: %+v", when, conn)
			}
			all, _ := s.caches.Conditions("m", now)
			of := (&MemberStatus{Connection: conn}).Conditions(now)
			if diff := cmp.Diff(of[0], all[0]); diff != "" {
				t.Errorf("%s: -program +caches:\n%s", when, diff)
			}
			for i, c := range of {
				if all[i].Type != c.Type {
					t.Errorf("condition %d is %s, and %s in the hub", i, all[i].Type, c.Type)
				}
			}
		}
		same("live", states.Live)
		f.cut()
		time.Sleep(time.Minute)
		same("down", states.BackingOff)
		if conn, _ := s.caches.Connection("m"); conn.Attempt < 2 || !conn.NextRetry.After(time.Now()) {
			t.Errorf("attempt %d, the next one at %v", conn.Attempt, conn.NextRetry)
		}
		if _, ok := s.caches.Connection("nobody"); ok {
			t.Error("nobody has a connection")
		}
	})
}

// A member is throttled while its requests wait only for tokens of a queue, and not for a moment
// in which they do.
func TestThrottledMembersOfCaches(t *testing.T) {
	simulate(t, CachesOptions{}, func(t *testing.T, s *sim) {
		s.set("m", newFakeAPI("A", "x"))
		fair := func(qps float64) *queue.Queue[queue.Request, queue.Request] {
			var made *queue.Queue[queue.Request, queue.Request]
			s.caches.FairRequests(ratelimit.Limit{QPS: qps, Burst: 1}, 0, func(q *queue.Queue[queue.Request, queue.Request]) { made = q })("q", nil)
			return made
		}
		slow, fast := fair(0.1), fair(1e6)
		defer slow.ShutDown()
		defer fast.ShutDown()
		work := func(q *queue.Queue[queue.Request, queue.Request]) {
			for {
				r, end := q.Get()
				if end {
					return
				}
				q.Done(r)
			}
		}
		go work(slow)
		go work(fast)
		is := func(when, want string) {
			t.Helper()
			synctest.Wait()
			all, _ := s.caches.Conditions("m", time.Now())
			if c := all[3]; c.Type+" "+string(c.Status)+" "+c.Reason != want {
				t.Errorf("%s: %+v, want %s", when, c, want)
			}
		}
		is("at first", "Throttled False WithinLimits")
		for i := range 5 {
			fast.Add(request("m", "default", fmt.Sprint(i)))
		}
		time.Sleep(memberstatus.ThrottleWindow)
		is("no limit", "Throttled False WithinLimits")
		for i := range 3 {
			slow.Add(request("m", "default", fmt.Sprint(i)))
		}
		time.Sleep(memberstatus.ThrottleWindow / 2)
		is("in the midst of it", "Throttled False WithinLimits")
		time.Sleep(memberstatus.ThrottleWindow / 2)
		is("tokens are missing", "Throttled True RateLimit")
		time.Sleep(2 * memberstatus.ThrottleWindow)
		is("they still were", "Throttled True RateLimit")
		time.Sleep(memberstatus.ThrottleWindow)
		is("all is done", "Throttled False WithinLimits")
	})
}
