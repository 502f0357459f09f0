package locks_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/locks"
)

// store is what several registers are on, which may be exchanged.
type store struct{ slot *slot }

// exchangeable is one process's register, which notices that.
type exchangeable struct {
	*store
	meant *slot
}

func (e *exchangeable) Read(ctx context.Context) ([]byte, uint64, error) {
	if e.slot != e.meant {
		return nil, 0, locks.ErrReplaced
	}
	return e.slot.Read(ctx)
}

func (e *exchangeable) Swap(ctx context.Context, value []byte, version uint64) (uint64, error) {
	if e.slot != e.meant {
		return 0, locks.ErrReplaced
	}
	return e.slot.Swap(ctx, value, version)
}

func (*exchangeable) Describe() string { return "the slot" }
func (e *exchangeable) Accept()        { e.meant = e.slot }

// TestAReplacedRegister: a process that does not hold the record goes on with another
// store, but not before the record that it has seen last would have expired. One that
// holds it never does.
func TestAReplacedRegister(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before := &slot{}
		s := &store{slot: before}
		lock := func(identity string) *locks.Lock {
			l, err := locks.New(&exchangeable{s, s.slot}, locks.Options{Identity: identity})
			if err != nil {
				t.Fatal(err)
			}
			return l
		}
		record := func(holder string) resourcelock.LeaderElectionRecord {
			return resourcelock.LeaderElectionRecord{HolderIdentity: holder, LeaseDurationSeconds: 15, AcquireTime: metav1.Now(), RenewTime: metav1.Now()}
		}
		holder, follower, blind := lock("a"), lock("b"), lock("c")
		if err := holder.Create(t.Context(), record("a")); err != nil {
			t.Fatal(err)
		}
		if _, _, err := follower.Get(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		s.slot = &slot{}

		// Its next call may be a write.
		if err := follower.Update(t.Context(), record("b")); err == nil || apierrors.IsConflict(err) {
			t.Errorf("Update: %v", err)
		}
		for range 14 {
			if _, _, err := follower.Get(t.Context()); !errors.Is(err, locks.ErrReplaced) || apierrors.IsNotFound(err) {
				t.Errorf("Get: %v", err)
			}
			if err := follower.Create(t.Context(), record("b")); !errors.Is(err, locks.ErrReplaced) {
				t.Errorf("Create: %v", err)
			}
			time.Sleep(time.Second)
		}
		time.Sleep(time.Second)
		if _, _, err := follower.Get(t.Context()); !apierrors.IsNotFound(err) {
			t.Errorf("Get after the lease duration: %v", err)
		}
		if err := follower.Create(t.Context(), record("b")); err != nil {
			t.Error(err)
		}
		// One that has seen no record knows of nobody who might act.
		_, _, _ = blind.Get(t.Context())
		if r, _, err := blind.Get(t.Context()); err != nil || r.HolderIdentity != "b" {
			t.Errorf("%+v, %v", r, err)
		}

		for range 2 {
			if _, _, err := holder.Get(t.Context()); !errors.Is(err, locks.ErrReplaced) || !strings.Contains(err.Error(), "started again") {
				t.Errorf("Get of the holder: %v", err)
			}
			time.Sleep(time.Hour)
		}
		s.slot = before // it was another one's answer
		if _, _, err := holder.Get(t.Context()); err != nil {
			t.Error(err)
		}
		if err := holder.Update(t.Context(), record("a")); err != nil {
			t.Error(err)
		}
	})
}
