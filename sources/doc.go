// Package sources follows a fleet: it keeps one connection and one stream per
// watched resource for every member, and lets members come and go.
//
//	fleet ── Set, Remove ──▶ Sources
//	                           ├─ member A: connection, stream(A, pods), stream(A, deployments)
//	                           ├─ member B: connection, stream(B, pods), ...
//	                           └─ ...                         │
//	                                                          └── Offer ──▶ queue
//
// # Usage
//
// A reconciler over the members uses [Caches]: NewCaches makes them, AddToManager has a
// manager run them, and cache.Kind is a source of the events of all members. See the
// examples and docs/library.md.
//
// A program that delivers every change of the members' objects uses a [Sources], which
// needs a queue for each sink, and a ledger that remembers what the sink has accepted:
//
//	queue := stage.NewQueue(queue.Options[*pipeline.Change, pipeline.Key]{}) // and a stage that empties it
//	ledger, err := sources.OpenLedger(ctx, "bolt:changes.ledger", sources.LedgerOptions{Routes: []string{"table"}})
//	...
//	specs, err := sources.ParseSpecs("deployments.apps", "configmaps?namespace=default")
//	...
//	s := sources.New(sources.Options{Specs: specs, Routes: []sources.Route{{Name: "table", Queue: queue}}, Ledger: ledger})
//	clusters := fleet.New(fleet.Options{Providers: providers, Handler: s})
//
// Then run ledger, sink, stage, s and clusters, and stop them in the opposite order.
//
// # Guarantees
//
// Members share nothing but the queue and the limit on snapshots
// that start at once, so none can hold up another. A member that is removed
// takes everything with it: its goroutines, its lane, what waits in it, its
// metrics. A member that is set again while it is being removed starts anew
// once that is done.
//
// A wildcard ("*", "*.apps") stands for the resources that a member serves, also for those
// that come later: their streams begin and end while the member runs.
//
// What no spec follows any more is kept for the ledger's retention, and then its sinks
// are told that it is gone, whether the member can be reached or not.
//
// Another cluster under the name of a member takes over once it has answered for
// Config.NameHold and sinks know that the one before is gone. Members that are one
// cluster are each followed, and told as such. A connection that fails for good, by a panic, is made anew
// with its streams, and they go on from where they were.
//
// For controllers there are Caches instead: one connection and one
// controller-runtime cluster.Cluster per member, see package sources/cache.
//
//	fleet ── Set, Remove ──▶ Caches
//	                           ├─ member A: connection, caches ── events ──▶ your controller's queue
//	                           └─ ...                          ◀─ Client ─── your reconciler
//
// # What may run at once
//
// All methods may be called from any goroutine. The package composes its
// children fleet, connection, stream and cache, which know nothing of each other.
package sources
