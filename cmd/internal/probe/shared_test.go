package probe

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/internal/synctest"
)

// However many ask, a member is asked once in five seconds.
func TestSharedAsksOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewShared()
		defer s.Close(t.Context())
		var asked atomic.Int32
		ask := func(context.Context) api.MemberProbe {
			time.Sleep(time.Second)
			return api.MemberProbe{Cluster: "a", Version: fmt.Sprint(asked.Add(1))}
		}
		all := func(want string) {
			t.Helper()
			var wg sync.WaitGroup
			for range 50 {
				wg.Go(func() {
					if p, ok := s.Ask(t.Context(), "a", ask); !ok || p.Version != want {
						t.Errorf("%v, %+v; want the answer %s", ok, p, want)
					}
				})
			}
			wg.Wait()
		}
		all("1")
		time.Sleep(fresh - time.Nanosecond)
		all("1")
		time.Sleep(time.Nanosecond)
		all("2")
		if p, _ := s.Ask(t.Context(), "b", ask); p.Version != "3" || len(s.all) != 2 {
			t.Errorf("of another cluster: %+v", p)
		}
		time.Sleep(fresh)
		s.Ask(t.Context(), "c", ask)
		if len(s.all) != 1 {
			t.Errorf("%d answers are kept for ever", len(s.all)-1)
		}
	})
}

// Who waits no longer leaves the question to the others, and none outlives the end.
func TestSharedOutlivesWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewShared()
		var ended, unasked atomic.Int32
		hangs := func(ctx context.Context) api.MemberProbe {
			<-ctx.Done()
			ended.Add(1)
			return api.MemberProbe{Error: "it hangs"}
		}
		brief := func(cluster string) (api.MemberProbe, bool) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			return s.Ask(ctx, cluster, hangs)
		}
		if p, ok := brief("a"); ok || p.Cluster != "a" || p.Error != "context deadline exceeded" {
			t.Errorf("%v, %+v", ok, p)
		}
		if p, ok := s.Ask(t.Context(), "a", hangs); !ok || p.Error != "it hangs" || ended.Load() != 1 {
			t.Errorf("%v, %+v, %d have ended", ok, p, ended.Load())
		}
		var wg sync.WaitGroup
		for i := range 2 * AtOnce {
			wg.Go(func() {
				if p, _ := brief(fmt.Sprint("c-", i)); strings.HasPrefix(p.Error, "it was not asked") {
					unasked.Add(1)
				}
			})
		}
		wg.Wait()
		if n := unasked.Load(); n != AtOnce {
			t.Errorf("%d are told that they were not asked", n)
		}
		if n := len(s.slots); n != AtOnce {
			t.Errorf("%d are under way", n)
		}
		if !s.Close(t.Context()) || ended.Load() != 1+AtOnce {
			t.Errorf("%d have ended", ended.Load())
		}
		if _, ok := s.Ask(t.Context(), "z", hangs); ok {
			t.Error("it asks after its end")
		}
	})
}

// The end does not wait for ever.
func TestSharedWithOneThatDoesNotEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewShared()
		release := make(chan struct{})
		go s.Ask(t.Context(), "a", func(context.Context) api.MemberProbe {
			<-release
			return api.MemberProbe{}
		})
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if s.Close(ctx) {
			t.Error("it has ended")
		}
		close(release)
		if !s.Close(t.Context()) {
			t.Error("it has not ended")
		}
	})
}
