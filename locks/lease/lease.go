package lease

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	coordinationclient "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/fairlead-dev/fairlead/internal/redact"
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
	// most half of the renew deadline, and no longer than the lease duration goes
	// beyond that.
	Timeout time.Duration
}

// Lock is a Lease as a lock. One goroutine uses it at a time; Token may be called from
// any.
type Lock struct {
	o      Options
	client *http.Client
	leases coordinationclient.LeaseInterface
	// secrets are those of the config. A server that quotes what it was sent must not
	// get one into an error, from where it goes into logs and statuses.
	secrets *redact.Redactor

	seen    *coordinationv1.Lease // last; nil: none, or it may have changed since
	unknown bool                  // the outcome of the last write is
	term    locks.Term
}

var (
	_ resourcelock.Interface = (*Lock)(nil)
	_ locks.Fenced           = (*Lock)(nil)
)

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
	leases, err := coordinationclient.NewForConfigAndClient(own, client)
	if err != nil {
		return nil, fmt.Errorf("connect to the cluster of the Lease %s/%s: %w", o.Namespace, o.Name, err)
	}
	return &Lock{o: o, client: client, leases: leases.Leases(o.Namespace), secrets: redact.New(own.BearerToken, own.Password)}, nil
}

// Token implements locks.Fenced: it is the resourceVersion with which this process's
// term began. Where resourceVersions are no numbers, which Kubernetes does not allow,
// it is the Lease's transitions + 1, which begin again when the Lease is deleted.
func (l *Lock) Token() uint64 { return l.term.Token() }

// RecordEvent does nothing.
func (*Lock) RecordEvent(string) {}

// Identity returns the name of this process in the Lease.
func (l *Lock) Identity() string { return l.o.Identity }

// Describe returns namespace and name of the Lease.
func (l *Lock) Describe() string { return l.o.Namespace + "/" + l.o.Name }

// Close closes idle connections. The lock may still be used.
func (l *Lock) Close() error {
	l.client.CloseIdleConnections()
	return nil
}
