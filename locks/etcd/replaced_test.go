package etcd_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/fairlead-dev/fairlead/internal/testkv"
	"github.com/fairlead-dev/fairlead/locks"
	"github.com/fairlead-dev/fairlead/locks/etcd"
)

// TestAReplacedEtcd: who does not hold the record goes on without a restart, when nobody
// acts any more who did. Who does hold it goes on with what there was before only.
func TestAReplacedEtcd(t *testing.T) {
	for name, tc := range map[string]struct {
		replace func(*testkv.Server, func(testing.TB)) func(testing.TB)
		want    string
		exists  bool // the record, then
	}{
		"restored":  {func(_ *testkv.Server, restore func(testing.TB)) func(testing.TB) { return restore }, "went back from", true},
		"made anew": {func(s *testkv.Server, _ func(testing.TB)) func(testing.TB) { return s.Replace }, "answers for cluster", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := testkv.StartEtcd(t, testkv.EtcdOptions{})[0]
			o := etcd.Options{Endpoints: []string{s.URL}, Key: "k"}
			lock := func(identity string) *locks.Lock {
				o := o
				o.Identity = identity
				return open(t, o)
			}
			leader, follower := lock("a"), lock("b")
			r := record()
			r.LeaseDurationSeconds = 1
			if err := leader.Create(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			replace := tc.replace(s, s.Save(t))
			for range 3 {
				if err := leader.Update(t.Context(), r); err != nil {
					t.Fatal(err)
				}
			}
			if _, _, err := follower.Get(t.Context()); err != nil {
				t.Fatal(err)
			}
			replace(t)

			for range 2 {
				if _, _, err := leader.Get(t.Context()); !errors.Is(err, locks.ErrReplaced) || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "started again") {
					t.Errorf("Get of the holder: %v", err)
				}
				if err := leader.Update(t.Context(), r); err == nil || apierrors.IsConflict(err) {
					t.Errorf("Update of the holder: %v", err)
				}
			}
			_, _, err := follower.Get(t.Context())
			if !errors.Is(err, locks.ErrReplaced) || apierrors.IsNotFound(err) || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "in 1s") {
				t.Errorf("Get of the follower: %v", err)
			}
			deadline := time.Now().Add(time.Minute)
			for errors.Is(err, locks.ErrReplaced) && time.Now().Before(deadline) {
				_, _, err = follower.Get(t.Context())
			}
			r.HolderIdentity = "b"
			switch {
			case tc.exists && err == nil:
				err = follower.Update(t.Context(), r)
			case !tc.exists && apierrors.IsNotFound(err):
				err = follower.Create(t.Context(), r)
			}
			if err != nil || follower.Token() == 0 {
				t.Errorf("the follower does not go on: %v", err)
			}
			if got, _, err := lock("c").Get(t.Context()); err != nil || got.HolderIdentity != "b" {
				t.Errorf("the record is %+v, %v", got, err)
			}
			if err := leader.Update(t.Context(), r); err == nil {
				t.Error("the holder of before has written")
			}
		})
	}
}

// TestAForeignEndpoint: an address that never answered for the cluster is none of its
// members, and nobody goes on with what it says.
func TestAForeignEndpoint(t *testing.T) {
	answer := `{"header":{"cluster_id":"7","revision":"9"}}`
	own, foreign := newGateway(t, 200, answer), newGateway(t, 200, `{"header":{"cluster_id":"8","revision":"20"}}`)
	l := open(t, etcd.Options{Endpoints: []string{own.URL, foreign.URL}, Key: "k", Identity: "a"})
	if _, _, err := l.Get(t.Context()); !apierrors.IsNotFound(err) {
		t.Fatal(err)
	}
	own.Close()
	for range 3 {
		if _, _, err := l.Get(t.Context()); err == nil || apierrors.IsNotFound(err) || errors.Is(err, locks.ErrReplaced) || !strings.Contains(err.Error(), "members of one cluster") {
			t.Errorf("%v", err)
		}
	}
}
