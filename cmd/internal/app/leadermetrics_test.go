package app

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/fairlead-dev/fairlead/internal/election"
	"github.com/fairlead-dev/fairlead/locks"
	"github.com/fairlead-dev/fairlead/locks/locktest"
)

// saying is a lock whose calls end as they are told to.
type saying struct {
	resourcelock.Interface
	err error
}

func (l *saying) Get(context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	return nil, nil, l.err
}
func (l *saying) Create(context.Context, resourcelock.LeaderElectionRecord) error { return l.err }
func (l *saying) Update(context.Context, resourcelock.LeaderElectionRecord) error { return l.err }

type sayingFenced struct{ *saying }

func (sayingFenced) Token() uint64 { return 7 }

func newLeaderMetrics(t *testing.T) *leaderMetrics {
	t.Helper()
	p := &program{registerer: prometheus.NewRegistry()}
	if err := p.registerLeader(); err != nil {
		t.Fatal(err)
	}
	return &p.leaderMetrics
}

func TestTheLocksCallsAreCounted(t *testing.T) {
	m := newLeaderMetrics(t)
	inner := &saying{Interface: new(locktest.Memory).Lock("me")}
	l := m.observe(inner)
	mine, released := resourcelock.LeaderElectionRecord{HolderIdentity: "me"}, resourcelock.LeaderElectionRecord{}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	leases := schema.GroupResource{Resource: "leases"}
	for _, call := range []struct {
		ctx    context.Context //nolint:containedctx // Of a call.
		err    error
		record resourcelock.LeaderElectionRecord
	}{
		{t.Context(), nil, mine},
		{t.Context(), nil, mine},
		{t.Context(), nil, released},
		{t.Context(), apierrors.NewConflict(leases, "x", errors.New("later")), mine},
		{t.Context(), context.DeadlineExceeded, mine},
		{canceled, context.Canceled, mine},
	} {
		inner.err = call.err
		if err := l.Update(call.ctx, call.record); !errors.Is(err, call.err) {
			t.Errorf("Update: %v, want %v", err, call.err)
		}
	}
	inner.err = apierrors.NewAlreadyExists(leases, "x")
	if err := l.Create(t.Context(), mine); !errors.Is(err, inner.err) {
		t.Error(err)
	}
	if _, _, err := l.Get(t.Context()); !errors.Is(err, inner.err) {
		t.Error(err)
	}
	got := map[string]float64{}
	for _, result := range []string{renewed, renewedLate, renewedNot} {
		got[result] = testutil.ToFloat64(m.renewals.WithLabelValues(result))
	}
	if diff := cmp.Diff(map[string]float64{renewed: 2, renewedLate: 2, renewedNot: 1}, got); diff != "" {
		t.Errorf("renewals (-want +got):\n%s", diff)
	}
	if n := testutil.CollectAndCount(m.seconds); n != 3 {
		t.Errorf("%d kinds of calls, want get, create and update", n)
	}
}

// What the election asks of a lock beyond its interface is there behind the metrics.
func TestTheTokenIsSeenThroughTheMetrics(t *testing.T) {
	m := newLeaderMetrics(t)
	if _, ok := m.observe(&saying{}).(locks.Fenced); ok {
		t.Error("a lock has got a token that it has not")
	}
	if f, ok := m.observe(sayingFenced{&saying{}}).(locks.Fenced); !ok || f.Token() != 7 {
		t.Error("the lock's token is lost")
	}
}

func TestLostTermsAreCountedByReason(t *testing.T) {
	m := newLeaderMetrics(t)
	m.countLost(fmt.Errorf("%w: %w", election.ErrLost, errors.New("it was not renewed")))
	m.countLost(errors.New("something else"))
	m.countLost(nil)
	if n := testutil.ToFloat64(m.lost.WithLabelValues(election.Expired)); n != 1 || testutil.CollectAndCount(m.lost) != len(election.Reasons) {
		t.Errorf("%v expired, %d reasons", n, testutil.CollectAndCount(m.lost))
	}
}
