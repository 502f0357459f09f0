package sources

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fairlead-dev/fairlead/internal/synctest"
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
		is("live", "Reachable True, Synced True, Fresh True")
		f.cut()
		time.Sleep(time.Minute)
		is("down", "Reachable False, Synced False, Fresh False")
		if _, ok := s.caches.Conditions("nobody", time.Now()); ok {
			t.Error("there are conditions of nobody")
		}
	})
}
