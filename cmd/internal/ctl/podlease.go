package ctl

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

// mostLeases bounds a list of Leases. Few namespaces have more than a handful.
const mostLeases = 500

// holder returns which of the running Pods holds the Lease; empty if none does, or it may
// not be read. Where none is named and defaultLease leads to no Pod, the Lease is any that
// one of them holds: a release of the chart names its Lease after itself. If these lead to
// several Pods there are several Fairleads, and the error says how to name one.
func (p *pods) holder(ctx context.Context, running []string) (string, error) {
	name := cmp.Or(p.lease, defaultLease)
	lease, err := untilDone(ctx, p, func() (*coordinationv1.Lease, error) {
		return p.leases.Leases(p.namespace).Get(ctx, name, metav1.GetOptions{})
	})
	switch {
	case err == nil:
		if pod := holderOf(lease, running); pod != "" || p.lease != "" {
			return pod, nil
		}
	case !apierrors.IsNotFound(err) && !apierrors.IsForbidden(err):
		return "", p.failed("read the Lease "+name, "leases.coordination.k8s.io", "get", err)
	case p.lease != "":
		return "", nil
	}
	all, err := untilDone(ctx, p, func() (*coordinationv1.LeaseList, error) {
		return p.leases.Leases(p.namespace).List(ctx, metav1.ListOptions{Limit: mostLeases})
	})
	if apierrors.IsForbidden(err) || apierrors.IsNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", p.failed("look for the Lease of Fairlead", "leases.coordination.k8s.io", "list", err)
	}
	held := map[string]string{} // names of Leases, by Pod
	for i := range all.Items {
		if pod := holderOf(&all.Items[i], running); pod != "" {
			held[pod] = all.Items[i].Name
		}
	}
	var pod string
	var leases []string
	for pod, name = range held {
		leases = append(leases, name)
	}
	if len(leases) > 1 {
		slices.Sort(leases)
		return "", &pointlessError{fmt.Errorf("several Fairleads run in namespace %s, whose Leases are %s; name one with --lease, or a Pod with --pod", p.namespace, strings.Join(leases, ", "))}
	}
	return pod, nil
}

// holderOf returns the running Pod that holds a Lease; empty if none does.
func holderOf(lease *coordinationv1.Lease, running []string) string {
	if lease.Spec.HolderIdentity == nil {
		return ""
	}
	host, _ := api.ParseIdentity(*lease.Spec.HolderIdentity)
	return podOf(running, host)
}
