package sources

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/cluster"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
	"github.com/fairlead-dev/fairlead/ratelimit"
	"github.com/fairlead-dev/fairlead/sources/cache"
)

// TestRequestsForMembersThatLeft: what comes for a thousand members after they
// have been removed is handed out, and no lane stays. Those of members do, also
// of one that is never reached, of a hub and of no cluster.
func TestRequestsForMembersThatLeft(t *testing.T) {
	simulate(t, CachesOptions{}, func(t *testing.T, s *sim) {
		var q *queue.Queue[queue.Request, queue.Request]
		s.caches.FairRequests(ratelimit.Limit{}, 0, func(made *queue.Queue[queue.Request, queue.Request]) { q = made })("", nil)
		defer q.ShutDown()
		if err := cache.Kind(s.caches.Fleet, &corev1.ConfigMap{}, cache.EnqueueRequestForObject).Start(t.Context(), q); err != nil {
			t.Fatal(err)
		}
		work := func() {
			synctest.Wait()
			for q.Len() > 0 {
				r, _ := q.Get()
				q.Done(r)
			}
		}
		lanes := func(when string, want ...string) {
			t.Helper()
			work()
			got := []string{}
			for _, l := range q.Lanes() {
				got = append(got, l.Cluster)
			}
			if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
				t.Errorf("%s: lanes of %d clusters, beginning with %q; want %q", when, len(got), got[:min(len(got), 5)], want)
			}
		}
		const members, round = 1000, 100
		f := newFakeAPI("A", "x")
		name := func(i int) string { return fmt.Sprint("m", i) }
		for i := range members {
			s.set(name(i), f)
			work()
			if n := len(q.Lanes()); n != 1 {
				t.Fatalf("%d lanes while one member is there", n)
			}
			s.caches.Remove(name(i))
			if i%round == 0 {
				q.Add(request(name(i), "default", "while it leaves"))
			}
			work()
		}
		lanes("removed")
		for i := range members {
			q.Add(request(name(i), "default", "late"))
		}
		lanes("late requests")

		down := newFakeAPI("B")
		down.cut()
		s.set("down", down)
		s.set("m7", f)
		q.Add(request("", "", "all"))
		q.Add(request("down", "", "x"))
		q.Add(request("nobody", "", "x"))
		lanes("some are there", "", "down", "m7")
		s.caches.Remove("m7")
		s.set("m7", f) // at once
		q.Add(request("m7", "", "x"))
		lanes("it came back", "", "down", "m7")
		s.caches.Remove("m7")
		s.caches.Remove("down")
		synctest.Wait()
		q.Add(request("m7", "", "x"))
		q.Add(request("down", "", "x"))
		lanes("they left", "")
	})
}

// An included cluster, as the hub is, is as good as a member.
func TestRequestsForTheHub(t *testing.T) {
	caches, err := NewCaches(CachesOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := caches.Include("hub", includedCluster{}); err != nil {
		t.Fatal(err)
	}
	var q *queue.Queue[queue.Request, queue.Request]
	caches.FairRequests(ratelimit.Limit{}, 0, func(made *queue.Queue[queue.Request, queue.Request]) { q = made })("", nil)
	for _, name := range []string{"hub", "nobody"} {
		q.Add(request(name, "", "x"))
		r, _ := q.Get()
		q.Done(r)
	}
	if lanes := q.Lanes(); len(lanes) != 1 || lanes[0].Cluster != "hub" {
		t.Errorf("lanes %+v", lanes)
	}
}

type includedCluster struct{ cluster.Cluster }

func (includedCluster) GetScheme() *runtime.Scheme { return scheme.Scheme }
