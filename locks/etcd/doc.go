// Package etcd locks with a key of etcd.
//
//	Lock ── range, txn on the key's mod_revision ──▶ JSON gateway of etcd ──▶ key NAME
//
// # Guarantees
//
//   - A write is one transaction: if the key's mod_revision is the one that was seen
//     last, put. Create compares with 0. Reads are linearizable.
//   - The fencing token is the mod_revision with which a term began. Revisions are of
//     the whole cluster, and grow also while the key is deleted and made anew.
//   - Of several endpoints the next one is tried when one fails. A write is sent to at
//     most one, so that no answer is an outcome which is not known, and never a conflict
//     with oneself.
//   - Answers of another cluster, or of one whose revision went back, are refused by the
//     process that holds the record, whose term then ends. Every other process goes on
//     with that cluster, once the record that it has seen last would have expired. So a
//     cluster that was made anew needs no restart of those who do not lead.
//
// # No lease of etcd
//
// The key has no lease. With one, etcd would delete the record when it thinks that the
// holder is gone: by a clock that the elector does not know of, with the record and its
// transitions lost. A lease of etcd is no mutual exclusion either: its holder can be
// stopped and go on after it, see https://etcd.io/docs/latest/learning/why and the tests
// of etcd by Jepsen. Here nothing expires in the backend, and the fencing token tells a
// late holder from a new one.
//
// # The JSON gateway
//
// The package speaks to the gateway that every etcd of 3.4 and later has at its client
// port, unless that is started with --enable-grpc-gateway=false. Two of its requests are
// all that a lock needs. etcd's own client would add gRPC and 7.5 MB to the program,
// balances by itself, and tries some requests again unasked. What the gateway cannot do:
// where etcd has authentication enabled and is started with --client-cert-auth, it
// refuses client certificates that have a common name. Give a certificate without one,
// and a user and password.
//
// # What it trusts
//
// A majority of etcd's members keep what they have acknowledged. A cluster that is
// restored from a snapshot has forgotten the writes since, and counts again from there:
// two processes may then hold the record, with tokens that were given before. Stop all
// processes that use the lock before a restore, and restore with etcdutl snapshot restore
// --bump-revision N --mark-compacted, so that revisions go on above those before. A
// process that does not lead goes on with a cluster that was made anew, after the lease
// of the record that it has seen. So stop the members of the old cluster before those of
// the new one answer under their names: a leader whose connection is kept would go on
// with the old ones. The
// members of an election measure the record's duration each by its own clock, see package
// locks.
//
// # Rights
//
// With authentication, the user needs to read and write the one key:
//
//	etcdctl role add fairlead
//	etcdctl role grant-permission fairlead readwrite fairlead/lock
//	etcdctl user add fairlead
//	etcdctl user grant-role fairlead fairlead
//
// # Usage
//
//	lock, err := etcd.New(etcd.Options{
//		Endpoints: []string{"https://etcd-0.example:2379", "https://etcd-1.example:2379"},
//		Key: "controllers/one", Identity: identity, CAFile: "/etc/etcd/ca.crt",
//	})
//	...
//	mgr, err := manager.New(hub, manager.Options{LeaderElectionResourceLockInterface: lock, ...})
package etcd
