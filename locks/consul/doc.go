// Package consul locks with a key of Consul's key-value store.
//
//	Lock ── GET ?consistent, transaction with verb cas ──▶ HTTP API of Consul ──▶ key NAME
//
// # Guarantees
//
//   - A write is a transaction of one cas: if the key's ModifyIndex is the one that was
//     seen last, set. Create compares with 0. The answer has the new ModifyIndex.
//   - Reads are consistent: the leader asks a majority whether it still leads.
//   - The fencing token is the ModifyIndex with which a term began. It is the index of
//     Consul's log, and grows also while the key is deleted and made anew.
//   - Of several endpoints the next one is tried when one fails. A write is sent to at
//     most one.
//   - No two writes are the same bytes. For Consul such a write is none, and leaves the
//     ModifyIndex as it was.
//
// # No session
//
// The key has no session. Consul ends one when it takes the node for unhealthy, or up to
// twice its TTL after the last renewal: by a clock that the elector does not know of. A
// process that has lost it learns so when it asks next, and was a holder until then.
// Here nothing expires in the backend, and the fencing token tells a late holder from a
// new one.
//
// The package uses two requests of the HTTP API, and not Consul's client, which would add
// 0.8 MB to the program and its settings from the environment.
//
// # What it trusts
//
// A majority of Consul's servers keep what they have acknowledged. A datacenter that is
// restored from a snapshot has forgotten the writes since: two processes may then hold
// the record, with tokens that were given before. Stop all processes that use the lock
// before a restore. The members of an election measure the record's duration each by its
// own clock, see package locks.
//
// # Rights
//
// With ACLs the token needs the policy
//
//	key "fairlead/lock" { policy = "write" }
//
// # Usage
//
//	lock, err := consul.New(consul.Options{
//		Endpoints: []string{"http://127.0.0.1:8500"}, // of the node's agent
//		Key: "controllers/one", Identity: identity, TokenFile: "/etc/consul/token",
//	})
//	...
//	mgr, err := manager.New(hub, manager.Options{LeaderElectionResourceLockInterface: lock, ...})
package consul
