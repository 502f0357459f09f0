// Package stage is the reconcile stage: the one place where changes meet a sink.
//
//	queue ──▶ N workers ──▶ bundle ─┬─ Tracker.Begin ─▶ Destination.Deliver ─┬─ accepted: Ack, Done
//	(Get, as large as the           └─ superseded: Done                      └─ refused: back into its lane
//	 destination wants it)
//
// # Usage
//
// Make the queue with NewQueue, the stage with New, and add it to a manager with
// Stage.SetupWithManager. The workers are those of a controller-runtime controller.
//
// Guarantees:
//   - Of one object at most one state is handed over at a time, and the sequence of
//     what is handed over only grows.
//   - A change is handed over once the Tracker has said that it may be: what the
//     ledger has yet to store delays no other change of the bundle.
//   - A change that the ledger's store refuses (pipeline.StoreTracker) goes back to its lane
//     at once, and the lane rests for a second: it keeps neither a worker nor a place of
//     what may be in work.
//   - The deletions of other UIDs that the sink may hold under the name go first. If
//     one is refused, what follows of that name comes back with it.
//   - A refused change waits in its own lane, with a backoff from 250 ms to a minute,
//     and its worker is free. It counts there by number and bytes.
//   - While others wait for memory, or for room in the bytes of its lane, a refused change
//     that waits for more than a second gives its object up. When it is due, its Tracker is
//     asked for the object (pipeline.Rereader), and the change with it takes its place.
//   - A stage gives back what a change has of a budget.Budget (Change.Memory) when it
//     is done with the change; the queue does so for what it lets go.
//
// All methods may be called by any number of goroutines at once.
package stage
