// Package supervise runs a set of named children that changes while it runs.
//
//	Start(name, run) ──▶ ┌──────────── Set.Run ────────────┐
//	                     │ a: running                      │
//	                     │ b: failed ─ backoff ─▶ running  │
//	Stop(ctx, name) ◀──▶ │ c: cancelled ─▶ joined, gone    │
//	                     └─ ctx ends: all joined ──────────┘
//
// Guarantees: a child that fails or panics is started again after a backoff
// and changes nothing for its siblings. Two runs of one name never overlap,
// not even when the name is started anew. When Stop or Run returns nil, what
// it stopped has returned: no goroutine is left behind.
//
// All methods of a Set may be called concurrently. A child may call Start, and
// Stop on its siblings; a Stop of itself, or two children that stop each other,
// would wait for ever and therefore need a ctx that ends.
//
// It does not: order children, give up on one, or limit how many there are.
package supervise
