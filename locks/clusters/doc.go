// Package clusters locks by a majority of clusters: each of them has a Lease, and who
// has written to more than half of these leads. No single cluster is trusted with the
// decision, and fewer than half of them may be down.
//
//	             ┌── GET, PUT with resourceVersion ──▶ API server of A ── Lease: a vote
//	elector ──▶ Lock ── ...                      ──▶ API server of B ── Lease: a vote
//	             └── ...                         ──▶ API server of C ── Lease: a vote
//
// To read and to renew the record all voters are asked at once. To take it one is asked
// first, and the others when it has agreed, has failed or does not answer soon: of several
// processes one gets all votes that way. The record is read or written when a majority
// says so: a voter that does not answer is not waited for.
//
// # Guarantees
//
// It passes locks/locktest, and beyond that:
//
//   - A vote is written by compare-and-swap, and only if it is free, this process's own,
//     or was not seen to change for longer than the lease duration, by this process's
//     own monotonic clock. Times that others have written decide nothing.
//   - A write whose outcome is unknown is no vote. A failed attempt gives back what it
//     got, at once.
//   - The fencing token is a term, higher than those of all votes that it replaces. Any
//     two majorities have a voter in common, so no two terms are equal, and the later
//     one is the higher. A record that is made anew begins with the time in
//     microseconds: higher than before, if the clock of who makes it is right.
//   - Another cluster under the name of a voter (with Voter.UID), one cluster under two
//     names, a Lease of other software, and one of another set of voters are refused.
//     Each connection has to show the UID: an address may lead elsewhere later.
//
// # Limits
//
// The voters are trusted to keep what they have confirmed. Two processes may lead at once,
// for up to the lease duration, if:
//
//   - a voter is restored from a backup, and so gives back an old vote. It counts for
//     nobody, for one lease duration, if a process has seen it before: its Lease has
//     another UID, or an older resourceVersion, term or count of writes. And a free vote
//     is not taken for that long while another voter shows that the record is held. In
//     simulations with a restore every 40 s two led at once in 6 of 200 runs of ten
//     minutes with three voters and 1 of 200 with five; without these rules in 26 and 4.
//     Stop all processes for a lease duration before a voter is restored.
//   - somebody edits the Leases, or deletes all of them: those who have seen them wait
//     for a lease duration, a process that has just started does not. One that is missing
//     is no vote, and its holder makes it again.
//   - a voter lies: one that says yes to two processes makes a majority for both out of
//     the rest. It cannot do more: what it answers is bounded, and no term above nine
//     years ahead of the clock is believed, nor one above half of that of one voter
//     alone.
//   - the clocks of two processes differ in their rate by more than the renew deadline is
//     below the lease duration, or a process is stopped between its check and its act.
//     Have the destination refuse a lower token.
//
// A record that does not exist is made only when all voters answer, so that a mistake in
// their names is found. With an even number one more has to be up, and no more may be
// down, than with one less.
//
// # Changing the voters
//
// The names and UIDs of the voters are written in each Lease, and a Lease of others is
// refused. To have other voters:
//
//  1. Stop every process, and wait for a lease duration.
//  2. Take the vote out of at least a majority of the old Leases, best out of all. A Lease
//     without one is nobody's, so no process that was forgotten can lead with the old
//     voters any more:
//     kubectl --context=A annotate lease fairlead --namespace=fairlead locks.fairlead.dev/vote-
//  3. Delete the Lease in those clusters that stay voters.
//  4. Start the processes with the new voters.
//
// # Rights
//
// Each voter has to allow to get and update the Lease, and to create Leases in its
// namespace, which has to exist; with Voter.UID also to get the namespace kube-system.
// deploy/components/voter has them.
//
// # Why Leases and no session
//
// A session or a TTL of the voters would be another clock, which could give a vote away
// while its holder relies on it. Requests go over HTTP/1.1, on a connection of their own
// for each voter. A request ends after Options.Timeout, two seconds at most, with the wait
// for the one before it; so does the one for the voter's UID, and so does a connection
// that is not made. Get and Update end after four times as long, Create after eight times.
//
// # Usage
//
//	voters := []clusters.Voter{{Name: "a", Config: a}, {Name: "b", Config: b}, {Name: "c", Config: c}}
//	lock, err := clusters.New(voters, clusters.Options{Namespace: "default", Name: "controller", Identity: identity})
//	...
//	mgr, err := manager.New(hub, manager.Options{LeaderElectionResourceLockInterface: lock, ...})
package clusters
