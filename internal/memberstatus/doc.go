// Package memberstatus keeps one object for each member of a fleet in the API server of
// the hub, MemberCluster of fairlead.dev/v1alpha1, whose status tells where the member
// stands.
//
//	Members() ── newest states ──▶ compare ──▶ what differs, most urgent first
//	                                  ▲                  │ at most so many a second
//	        list, at first and later ─┤                  ▼
//	                                  └── hub: create · apply status · delete
//
// # Guarantees
//
//   - A write tells what is so at most a few seconds before it. While more changes than
//     may be written, the newest state of each member is what is written: nothing queues.
//   - Nothing is written that is there already. What differs only in counts and times is
//     written once in [Lazily] for each member; a new member, or a condition that changes,
//     goes first.
//   - The object of a member that has left is deleted: when the fleet has said in this
//     process that it has left, or when all of the fleet is known and it is not in it. An
//     object that is not the one of its cluster, or has no label of this package, is left
//     alone.
//   - Each write of a status names the version that it replaces. So what a process
//     writes late, after another has taken its place, is refused.
//   - A hub that is down costs nothing but attempts, with growing pauses.
//
// # Names
//
// An object has its member's name where that can be one, see [ObjectName]. The true name
// is in spec.cluster.
//
// # What it trusts
//
// The hub. It reads bounded answers and shows no credential.
//
// # Rights
//
// Get, list, create and delete of memberclusters, and patch of memberclusters/status, in one
// namespace, which belongs to one Fairlead. The namespace and the CRD ([CRD], as in
// deploy/components/hub-memberclusters) have to exist.
//
// # Usage
//
//	w, err := memberstatus.New(memberstatus.Options{Namespace: "fairlead-members", ...})
//	...
//	err = w.Run(ctx) // by the process that leads
package memberstatus
