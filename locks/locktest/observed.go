package locktest

import (
	"context"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/fairlead-dev/fairlead/locks"
)

// observed is a lock that notes when its process has taken and renewed the record, by
// this machine's monotonic clock. Its process's wall clock may be wrong.
type observed struct {
	resourcelock.Interface

	mu       sync.Mutex
	clock    time.Duration // by which the process's wall clock is wrong
	took     time.Time     // when the call began that took the record; zero: none has
	renewed  time.Time     // when the last one began of which its process knows that it has renewed it
	renewals int
	changed  chan struct{} // closed with the next renewal
}

// fencedLock is a lock with the tokens of that below it.
type fencedLock struct {
	resourcelock.Interface
	locks.Fenced
}

func observe(l resourcelock.Interface) *observed {
	return &observed{Interface: l, changed: make(chan struct{})}
}

func (o *observed) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	r, raw, err := o.Interface.Get(ctx)
	if err == nil && r != nil {
		*r = o.shifted(*r, -1)
	}
	return r, raw, err
}

func (o *observed) Create(ctx context.Context, r resourcelock.LeaderElectionRecord) error {
	return o.write(ctx, r, o.Interface.Create)
}

func (o *observed) Update(ctx context.Context, r resourcelock.LeaderElectionRecord) error {
	return o.write(ctx, r, o.Interface.Update)
}

func (o *observed) write(ctx context.Context, r resourcelock.LeaderElectionRecord, write func(context.Context, resourcelock.LeaderElectionRecord) error) error {
	began := time.Now()
	// client-go tries again with the record as it was. If that one is stored already,
	// those who watch have counted since then.
	if t := r.RenewTime.Time; t.Before(began) {
		began = t
	}
	err := write(ctx, o.shifted(r, 1))
	if err == nil && r.HolderIdentity == o.Identity() {
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.took.IsZero() {
			o.took = began
		}
		o.renewed = began
		o.renewals++
		close(o.changed)
		o.changed = make(chan struct{})
	}
	return err
}

// shifted returns a record as it is stored by a process whose clock is wrong, or, with
// sign -1, as that process reads it.
func (o *observed) shifted(r resourcelock.LeaderElectionRecord, sign int) resourcelock.LeaderElectionRecord {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.clock != 0 {
		r.AcquireTime = metav1.NewTime(r.AcquireTime.Add(time.Duration(sign) * o.clock))
		r.RenewTime = metav1.NewTime(r.RenewTime.Add(time.Duration(sign) * o.clock))
	}
	return r
}

// setClock sets the process's wall clock.
func (o *observed) setClock(by time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.clock = by
}

// state returns when the process has taken the record and renewed it last, how often
// it has renewed it, and what is closed when it does again.
func (o *observed) state() (took, renewed time.Time, renewals int, next <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.took, o.renewed, o.renewals, o.changed
}
