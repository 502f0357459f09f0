package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/fairlead-dev/fairlead/internal/election"
	"github.com/fairlead-dev/fairlead/internal/histogram"
	"github.com/fairlead-dev/fairlead/locks"
)

// leaderMetrics tell of this process's part in the election. They are there without
// one, too, and then stay as they are.
type leaderMetrics struct {
	renewals *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	lost     *prometheus.CounterVec
}

// The results of a write to the lock's record.
const (
	renewed     = "ok"
	renewedNot  = "error"    // it may have been written
	renewedLate = "conflict" // another process was faster
)

// registerLeader has metrics say whether this process delivers, and how its lock is.
func (p *program) registerLeader() error {
	m := &p.leaderMetrics
	m.renewals = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "fairlead_leader_renewals_total",
		Help: "Writes of this process to the lock's record, to take and to renew it, by result: ok, conflict (another process was faster) or error.",
	}, []string{"result"})
	m.seconds = histogram.New("fairlead_leader_lock_seconds",
		"Time that calls to the lock took, by call: get, create or update.",
		prometheus.ExponentialBuckets(0.0005, 4, 9), "call") // 0.5 ms to 33 s
	m.lost = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "fairlead_leader_lost_total",
		Help: "Terms of this process that ended without it being asked to, by reason: expired (the lock was not renewed in time), taken (another process is in the record) or refused (a destination or the ledger has seen a later term). The process ends soon after.",
	}, []string{"reason"})
	for _, result := range []string{renewed, renewedNot, renewedLate} {
		m.renewals.WithLabelValues(result)
	}
	for _, call := range []string{"get", "create", "update"} {
		m.seconds.WithLabelValues(call)
	}
	for _, reason := range election.Reasons {
		m.lost.WithLabelValues(reason)
	}
	for _, c := range []prometheus.Collector{
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "fairlead_leader",
			Help: "1 while this process delivers: it leads, or runs without leader election, and neither waits for the process that led before nor changes its settings.",
		}, func() float64 {
			if p.following() != "" || p.refused.Load() != nil || p.waitsFor.Load() != nil || p.changing.Load() != nil {
				return 0
			}
			return 1
		}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "fairlead_leader_lock_up",
			Help: "0 while this process cannot read the lock or, if it takes or renews it, write it: its last call failed; else 1, also without leader election.",
		}, func() float64 {
			if s := p.electionStatus(); s != nil && s.LastError != "" {
				return 0
			}
			return 1
		}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "fairlead_leader_term",
			Help: "Term in which this process delivers, as in its events; 0 while it does not.",
		}, func() float64 {
			if p.current() == nil {
				return 0
			}
			return float64(p.term)
		}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "fairlead_leader_refused",
			Help: "1 while this process leads and delivers nothing, because the ledger has seen a higher fencing token of its lock: another process has led since, or what stores the lock was restored or made anew. /readyz says what to do.",
		}, func() float64 {
			if p.refused.Load() == nil {
				return 0
			}
			return 1
		}),
		m.renewals, m.seconds, m.lost,
	} {
		if err := p.registerer.Register(c); err != nil {
			return fmt.Errorf("register metrics: %w", err)
		}
	}
	return nil
}

// countLost counts the end of a term.
func (m *leaderMetrics) countLost(why error) {
	if reason := election.Reason(why); reason != "" {
		m.lost.WithLabelValues(reason).Inc()
	}
}

// observe returns a lock whose calls are counted and timed.
func (m *leaderMetrics) observe(l resourcelock.Interface) resourcelock.Interface {
	o := observedLock{l, m}
	if f, ok := l.(locks.Fenced); ok {
		return observedFenced{o, f}
	}
	return o
}

// observedLock is a lock that tells the metrics of its calls.
type observedLock struct {
	resourcelock.Interface
	m *leaderMetrics
}

// observedFenced is one that has a fencing token.
type observedFenced struct {
	observedLock
	locks.Fenced
}

func (l observedLock) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	began := time.Now()
	record, raw, err := l.Interface.Get(ctx)
	l.m.called("get", began)
	return record, raw, err
}

func (l observedLock) Create(ctx context.Context, r resourcelock.LeaderElectionRecord) error {
	return l.write(ctx, "create", r, l.Interface.Create)
}

func (l observedLock) Update(ctx context.Context, r resourcelock.LeaderElectionRecord) error {
	return l.write(ctx, "update", r, l.Interface.Update)
}

func (l observedLock) write(ctx context.Context, call string, r resourcelock.LeaderElectionRecord, write func(context.Context, resourcelock.LeaderElectionRecord) error) error {
	began := time.Now()
	err := write(ctx, r)
	l.m.called(call, began)
	switch {
	case r.HolderIdentity != l.Identity():
		// It is released.
	case err == nil:
		l.m.renewals.WithLabelValues(renewed).Inc()
	case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err):
		l.m.renewals.WithLabelValues(renewedLate).Inc()
	case !errors.Is(ctx.Err(), context.Canceled): // else it was broken off by this process
		l.m.renewals.WithLabelValues(renewedNot).Inc()
	}
	return err
}

func (m *leaderMetrics) called(call string, began time.Time) {
	m.seconds.WithLabelValues(call).Observe(time.Since(began).Seconds())
}
