package stream

import (
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairlead-dev/fairlead/internal/ledger"
)

// cohabiting has the resources that API servers serve in two groups, though
// both are the same objects with the same UIDs: whoever follows both gets
// everything twice. Those in front are where kube-apiserver stores them.
//
// It is what kube-apiserver registers with AddCohabitatingResources, in
// k8s.io/kubernetes v1.36.3, pkg/kubeapiserver/default_storage_factory_builder.go,
// line 140, but for replicationcontrollers: extensions had only their scale.
// Extensions is no longer served from Kubernetes 1.22 on.
var cohabiting = map[schema.GroupResource]schema.GroupResource{
	{Group: "extensions", Resource: "networkpolicies"}:     {Group: "networking.k8s.io", Resource: "networkpolicies"},
	{Group: "extensions", Resource: "deployments"}:         {Group: "apps", Resource: "deployments"},
	{Group: "extensions", Resource: "daemonsets"}:          {Group: "apps", Resource: "daemonsets"},
	{Group: "extensions", Resource: "replicasets"}:         {Group: "apps", Resource: "replicasets"},
	{Group: "events.k8s.io", Resource: "events"}:           {Group: "", Resource: "events"},
	{Group: "extensions", Resource: "podsecuritypolicies"}: {Group: "policy", Resource: "podsecuritypolicies"},
	{Group: "extensions", Resource: "ingresses"}:           {Group: "networking.k8s.io", Resource: "ingresses"},
}

// SameObjects reports whether whoever follows one of two streams follows objects of the
// other: they are the same stream, or the same cluster's objects in two API groups. Sinks
// may know an object by its UID alone, which is the same in both.
func SameObjects(one, other ledger.StreamID) bool {
	a, b := schema.ParseGroupResource(one.Resource), schema.ParseGroupResource(other.Resource)
	if a == b || one.Cluster != other.Cluster || one.Route != other.Route {
		return one.SameStream(other)
	}
	mayBeOne := one.ClusterUID == other.ClusterUID || ledger.ByDigest(one.ClusterUID) || ledger.ByDigest(other.ClusterUID)
	return mayBeOne && objectsOf(a) == objectsOf(b) && overlap(one.Namespace, other.Namespace)
}

// overlap reports whether two namespaces, "" for all, have something in common.
func overlap(one, other string) bool { return one == other || one == "" || other == "" }

// objectsOf returns the one name of the objects that a resource serves.
func objectsOf(r schema.GroupResource) schema.GroupResource {
	if first, ok := cohabiting[r]; ok {
		return first
	}
	return r
}

// cohabitants returns the resources with the objects of r, the one that API servers store
// first; none if there is no other one.
func cohabitants(r schema.GroupResource) (all []schema.GroupResource) {
	first := objectsOf(r)
	for other, stored := range cohabiting {
		if stored == first {
			all = append(all, other)
		}
	}
	if len(all) == 0 {
		return nil
	}
	slices.SortFunc(all, compareNames)
	return slices.Insert(all, 0, first)
}
