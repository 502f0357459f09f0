package lease

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coordinationv1 "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/fairlead-dev/fairlead/locks"
)

// DefaultTimeout is how long a request may take: half of the usual renew deadline of
// 10 s, so that one that hangs leaves time for another.
const DefaultTimeout = 5 * time.Second

// Options configure a Lock.
type Options struct {
	// Namespace and Name are those of the Lease. Create makes it. Both required.
	Namespace, Name string
	// Identity is the name of this process in the Lease, see locks.CheckIdentity. No
	// other process may have it, not even an earlier one on the same machine.
	// Required.
	Identity string
	// Timeout is how long a request may take. 0 is DefaultTimeout. It should be at
	// most half of the renew deadline.
	Timeout time.Duration
}

// Lock is a Lease as a lock. One goroutine uses it at a time.
type Lock struct {
	lease  resourcelock.LeaseLock
	client *http.Client
}

var _ resourcelock.Interface = (*Lock)(nil)

// New returns a lock on a Lease of the cluster that config reaches. It connects to
// nothing.
func New(config *rest.Config, o Options) (*Lock, error) {
	if o.Namespace == "" || o.Name == "" {
		return nil, errors.New("lock a Lease: its namespace and name are required")
	}
	if err := locks.CheckIdentity(o.Identity); err != nil {
		return nil, fmt.Errorf("lock the Lease %s/%s: %w", o.Namespace, o.Name, err)
	}
	own := rest.CopyConfig(config)
	if own.Timeout = o.Timeout; own.Timeout <= 0 {
		own.Timeout = DefaultTimeout
	}
	own.QPS = -1 // the elector's retry period is limit enough
	// Over HTTP/2 a request that is tried again would go out on the connection that
	// does not answer.
	own.NextProtos = []string{"http/1.1"}
	own.WarningHandlerWithContext = rest.NoWarnings{}
	client, err := rest.HTTPClientFor(own)
	if err != nil {
		return nil, fmt.Errorf("connect to the cluster of the Lease %s/%s: %w", o.Namespace, o.Name, err)
	}
	leases, err := coordinationv1.NewForConfigAndClient(own, client)
	if err != nil {
		return nil, fmt.Errorf("connect to the cluster of the Lease %s/%s: %w", o.Namespace, o.Name, err)
	}
	return &Lock{client: client, lease: resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Namespace: o.Namespace, Name: o.Name},
		Client:     leases,
		LockConfig: resourcelock.ResourceLockConfig{Identity: o.Identity},
	}}, nil
}

// Get reads the Lease. The error is NotFound if there is none.
func (l *Lock) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	record, raw, err := l.lease.Get(ctx)
	if err != nil {
		return nil, nil, err
	}
	// client-go's bytes hold the times by the second.
	raw = strconv.AppendInt(raw, record.AcquireTime.UnixMicro(), 10)
	raw = strconv.AppendInt(append(raw, ' '), record.RenewTime.UnixMicro(), 10)
	return record, raw, nil
}

// Create makes the Lease. The error is AlreadyExists if there is one.
func (l *Lock) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return l.lease.Create(ctx, record)
}

// Update replaces the Lease that Get, Create or Update has seen last. The error is
// Conflict if it has been written or deleted since.
func (l *Lock) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return l.lease.Update(ctx, record)
}

// RecordEvent does nothing.
func (*Lock) RecordEvent(string) {}

// Identity returns the name of this process in the Lease.
func (l *Lock) Identity() string { return l.lease.Identity() }

// Describe returns namespace and name of the Lease.
func (l *Lock) Describe() string { return l.lease.Describe() }

// Close closes idle connections. The lock may still be used.
func (l *Lock) Close() error {
	l.client.CloseIdleConnections()
	return nil
}
