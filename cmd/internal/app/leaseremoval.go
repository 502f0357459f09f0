package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coordinationclient "k8s.io/client-go/kubernetes/typed/coordination/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
)

const (
	leaseRequestTimeout = 10 * time.Second // for one request
	leasePoll           = time.Second      // between two looks
	leasePatience       = 20 * time.Second // see leaseRemoval: roles are in effect within moments of being made
	leaseValid          = 15 * time.Second // where a Lease does not say how long
	leasePodsShown      = 5                // names of Pods that are told
)

// errRenewed is why a Lease stays that somebody leads by.
var errRenewed = errors.New("somebody renews it")

// leaseRemoval deletes a Lease by which nobody leads any more:
//
//	Pods are left ──▶ wait ──▶ none ──▶ released, or not renewed while it was watched for
//	                                    as long as it is valid ──▶ delete that UID and version
//
// It is sound whatever happens beside it. A process leads by a Lease only after it has
// written to it, and by that the version is another one; and one that finds no Lease makes
// a new one. One goroutine uses it.
type leaseRemoval struct {
	leases   coordinationclient.LeaseInterface // of its namespace
	pods     corev1client.PodInterface         // of theirs
	lease    string                            // NAMESPACE/NAME
	name     string
	selector string                                 // of the Pods
	patience time.Duration                          // how long requests may fail one after the other
	say      func(format string, args ...any) error // prints a line

	watch leaseWatch
	told  string // what was said last of a wait
}

// run deletes the Lease, or says that there is none. The error says why it stays: Pods
// that were left when ctx ended, somebody who renews it, or requests that failed for
// as long as its patience.
func (r *leaseRemoval) run(ctx context.Context) error {
	tick := time.NewTicker(leasePoll)
	defer tick.Stop()
	waiting := errors.New("the API server has not answered")
	var failing time.Time // since when; zero: the last request was answered
	for {
		done, waits, err := r.look(ctx, time.Now())
		switch {
		case done || errors.Is(err, errRenewed):
			return err
		case err != nil && ctx.Err() == nil:
			if failing.IsZero() {
				failing = time.Now()
			}
			waiting = err
			if time.Since(failing) >= r.patience {
				return err
			}
		case err == nil:
			failing, waiting = time.Time{}, errors.New(waits)
			if err := r.tell(waits); err != nil {
				return err
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", waiting, context.Cause(ctx))
		}
	}
}

// tell says what it waits for, once.
func (r *leaseRemoval) tell(waits string) error {
	if waits == r.told {
		return nil
	}
	r.told = waits
	return r.say("Waits: %s", waits)
}

// look does what can be done now. If that is not all, it says what it waits for.
func (r *leaseRemoval) look(ctx context.Context, now time.Time) (done bool, waits string, err error) {
	// Without a limit: a page may be empty and not the last one.
	pods, err := r.pods.List(ctx, metav1.ListOptions{LabelSelector: r.selector})
	if err != nil {
		return false, "", fmt.Errorf("list Pods with the labels %s: %w", r.selector, err)
	}
	if len(pods.Items) > 0 {
		r.watch = leaseWatch{} // they may write to it
		return false, "Pods are left: " + podNames(pods.Items), nil
	}
	lease, err := r.leases.Get(ctx, r.name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return true, "", r.say("There is no Lease %s", r.lease)
	case err != nil:
		return false, "", fmt.Errorf("get the Lease %s: %w", r.lease, err)
	}
	switch r.watch.saw(lease, now) {
	case leaseRenewed:
		return false, "", fmt.Errorf("%w: %s, which is none of the Pods with the labels %s", errRenewed, *lease.Spec.HolderIdentity, r.selector)
	case leaseHeld:
		return false, fmt.Sprintf("%s has not released the Lease %s, which expires after %v", *lease.Spec.HolderIdentity, r.lease, validFor(lease)), nil
	}
	err = r.leases.Delete(ctx, r.name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &lease.UID, ResourceVersion: &lease.ResourceVersion}})
	switch {
	case apierrors.IsConflict(err), apierrors.IsNotFound(err):
		return false, "the Lease was written to meanwhile", nil // and is looked at again
	case err != nil:
		return false, "", fmt.Errorf("delete the Lease %s: %w", r.lease, err)
	}
	return true, "", r.say("Deleted the Lease %s", r.lease)
}

// podNames returns NAMESPACE/NAME of the first Pods, and how many more there are.
func podNames(pods []corev1.Pod) string {
	var names []string
	for i := range pods[:min(len(pods), leasePodsShown)] {
		names = append(names, pods[i].Namespace+"/"+pods[i].Name)
	}
	if more := len(pods) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}

// leaseState is what a Lease is to others than its holder.
type leaseState int

const (
	leaseFree    leaseState = iota // released or expired
	leaseHeld                      // for all that is known
	leaseRenewed                   // its holder runs
)

// leaseWatch judges a Lease by when it changes, and not by the times that it holds: they
// are of another clock.
type leaseWatch struct {
	last *coordinationv1.Lease // that was held when it was seen; nil: none
	at   time.Time             // when that was seen first
}

// saw judges the Lease as it is now.
func (w *leaseWatch) saw(lease *coordinationv1.Lease, now time.Time) leaseState {
	if holder := lease.Spec.HolderIdentity; holder == nil || *holder == "" {
		w.last = nil
		return leaseFree
	}
	switch last := w.last; {
	case last == nil:
		w.last, w.at = lease, now
		return leaseHeld
	case last.UID != lease.UID || last.ResourceVersion != lease.ResourceVersion:
		return leaseRenewed
	case now.Sub(w.at) < validFor(lease):
		return leaseHeld
	}
	return leaseFree
}

// validFor returns how long a Lease is valid after it was written.
func validFor(lease *coordinationv1.Lease) time.Duration {
	if seconds := lease.Spec.LeaseDurationSeconds; seconds != nil && *seconds > 0 {
		return time.Duration(*seconds) * time.Second
	}
	return leaseValid
}
