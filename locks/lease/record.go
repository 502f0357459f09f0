package lease

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// Get reads the Lease. The error is NotFound if there is none.
func (l *Lock) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	lease, err := l.leases.Get(ctx, l.o.Name, metav1.GetOptions{})
	if err != nil {
		if apierrors.IsNotFound(err) {
			l.seen, l.unknown = nil, false
			l.term.Interrupted()
		}
		return nil, nil, l.secrets.Error(err)
	}
	// It holds the times by the microsecond, unlike a record in JSON.
	raw, err := json.Marshal(lease.Spec)
	if err != nil {
		return nil, nil, fmt.Errorf("compare the Lease %s: %w", l.Describe(), err)
	}
	l.saw(lease)
	return resourcelock.LeaseSpecToLeaderElectionRecord(&lease.Spec), raw, nil
}

// Create makes the Lease. The error is AlreadyExists if there is one.
func (l *Lock) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	l.seen = nil
	lease, err := l.leases.Create(ctx, &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: l.o.Namespace, Name: l.o.Name},
		Spec:       resourcelock.LeaderElectionRecordToLeaseSpec(&record),
	}, metav1.CreateOptions{})
	l.unknown = err != nil && !apierrors.IsAlreadyExists(err)
	if !apierrors.IsAlreadyExists(err) {
		l.term.Interrupted() // what is made anew begins a term
	}
	if err != nil {
		return l.secrets.Error(err)
	}
	l.saw(lease)
	return nil
}

// Update replaces the Lease that Get, Create or Update has seen last. The error is
// Conflict if it has been written or deleted since. After a write whose outcome is not
// known it is an error that says so: then Get tells.
func (l *Lock) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	switch {
	case l.seen != nil:
	case l.unknown:
		return fmt.Errorf("write the Lease %s: the outcome of the write before is not known, and it was not read since", l.Describe())
	default:
		return apierrors.NewConflict(coordinationv1.Resource("leases"), l.o.Name, errors.New("it is not the one that was seen last"))
	}
	lease := l.seen
	l.seen = nil // unless the answer says what it is
	lease.Spec = resourcelock.LeaderElectionRecordToLeaseSpec(&record)
	lease, err := l.leases.Update(ctx, lease, metav1.UpdateOptions{})
	l.unknown = err != nil && !apierrors.IsConflict(err)
	if err != nil {
		return l.secrets.Error(err)
	}
	l.saw(lease)
	return nil
}

// saw notes the Lease that there is.
func (l *Lock) saw(lease *coordinationv1.Lease) {
	l.seen, l.unknown = lease, false
	held := lease.Spec.HolderIdentity != nil && *lease.Spec.HolderIdentity == l.o.Identity
	l.term.Saw(held, version(lease))
}

// version returns a number that grows with each write to a Lease, also when it was
// deleted: resourceVersions of one resource are compared as numbers
// (https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions).
func version(lease *coordinationv1.Lease) uint64 {
	if v, err := strconv.ParseUint(lease.ResourceVersion, 10, 64); err == nil {
		return v
	}
	if t := lease.Spec.LeaseTransitions; t != nil {
		return uint64(max(*t, 0)) + 1
	}
	return 1
}
