// Package lease locks with a Lease of a Kubernetes cluster, the lock of most
// controllers.
//
//	Lock ── GET, POST, PUT with resourceVersion ──▶ API server ── Lease NAMESPACE/NAME
//
// The Lease is as client-go's LeaseLock writes it. What that leaves to its callers is
// done here:
//
//   - Requests have timeouts and connections of their own, over HTTP/1.1.
//   - The bytes that Get returns change with each renewal. Those of client-go hold
//     times by the second: of several renewals within one, others would count from
//     the first.
//   - The lock is locks.Fenced. The token of a term is the Lease's resourceVersion of
//     the write that began it, which grows also when the Lease is deleted.
//   - After a write whose outcome is not known, Update is refused until Get has told.
//
// A Lease that was deleted is not brought back by Update: its UID is part of what is
// compared.
//
// # What it trusts
//
// That the cluster's etcd loses no write. One that is restored from a backup has its
// resourceVersions, and so the tokens, go back.
//
// # Rights
//
// The cluster has to allow to get and update the Lease, and to create Leases in its
// namespace if it does not exist.
//
// # Usage
//
// For the manager of a controller of one's own:
//
//	lock, err := lease.New(hub, lease.Options{Namespace: "default", Name: "controller", Identity: identity})
//	...
//	mgr, err := manager.New(hub, manager.Options{LeaderElectionResourceLockInterface: lock, ...})
package lease
