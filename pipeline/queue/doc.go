// Package queue is the fan-in of a fleet: a work queue with a lane for each cluster,
// so that no cluster's items hold up another's.
//
//	streams of A ──▶ lane A  live ▮▮▮▯  snapshot ▮▮▯ ── bucket A ─┐
//	streams of B ──▶ lane B  live ▯▯▯▯  snapshot ▮▮▮ ── bucket B ─┼─ turn ─▶ Get ─▶ N workers
//	streams of C ══▶ lane C  live ▮▮▮▮  snapshot ▮▮▮ ── bucket C ─┘          Done ◀──┘
//	Offer blocks: full                                    ▲ AddRateLimited, AddAfter │
//	                                                      └──── what comes back ◀────┘
//
// # Usage
//
// A controller over many clusters runs on it with FairRequests, or with Fair whatever
// its requests are. Whoever has items of another kind makes a queue with New, and fills
// it with Offer, which blocks while the item's lane is full.
//
// A Queue is a client-go rate limiting work queue and a controller-runtime
// priority queue, so a controller runs on it (FairRequests, Fair). What it has
// beyond those is a lane per cluster.
//
// Guarantees:
//   - Of one identity at most one item waits or is delayed, and at most one is
//     in work. A newer item replaces the one that waits and takes its place; one
//     that is brought back gives way to it. With Options.Newer an older item
//     never replaces or outlives a newer one that is there, however it comes;
//     without it the last one that came is the newest.
//   - A lane with something to hand out and a token has its turn after at most
//     the weights of the other lanes together. Live items and those of a snapshot
//     have buckets of their own: neither is without a token because of the other,
//     and a lane that lacks one for one class hands out the other.
//   - The queue as a whole may have a limit over these (SetTotalLimit). While it has no token,
//     nothing is handed out, and the lanes keep their turns and tokens.
//   - Of one cluster at most MaxInFlight items are in work, if that is set, so that
//     a cluster whose calls hang leaves the other workers to the rest; and over
//     all lanes at most as many as SetInFlight says. A Get within both limits
//     never waits while there is something to hand out.
//   - Within a lane live items go before those of a snapshot, except at every
//     eighth pick. Each class is in the order its items came, or came back; but
//     one that came while an older one of its identity was in work stands at the
//     end from that one's Done on, and one whose priority rises from the snapshot
//     to the live class from then on.
//   - A lane that Offer fills holds at most LaneCapacity items and LaneBytes
//     bytes, or a single larger item; its snapshot class three quarters of
//     that. What waits and what is delayed counts by number and bytes, what is
//     in work by bytes until Done: so what is refused again and again fills its
//     own lane; by number alone if Options.Evict makes it small. Add, AddAfter and AddRateLimited never block and are not bounded.
//   - A lane that rests (Rest) has no turn for that long, and nobody looks at it.
//   - What Hold holds is not handed out until it is let go. A lane that is held fills up,
//     and blocks its Offers; no other lane feels it.
//   - Every item that came is handed out, replaced by a newer one, or counted
//     as dropped: see LaneStats. Options.Discard is told of all that are not
//     handed out.
//   - Turns, tokens and MaxInFlight hold until the end, also while the queue shuts
//     down. ShutDown drops what waits if DropOnShutDown is set, as it is for a
//     controller (FairRequests, Fair): a controller that is stopped, or whose
//     manager has lost its lease, begins nothing more, and its sources bring it
//     again to whoever goes on. A plain Queue hands it out, as client-go's does.
//     ShutDownWithDrain and Stop drain either.
//
// Every method of Queue may be called by any number of goroutines at once;
// there is one lock, held for a constant time but for the heaps of delayed
// items and throttled lanes. The functions in Options but Known, Newer and Evict, the
// RateLimiter and whoever waits run outside of it. Nothing runs in the
// background but one runtime timer, while something is delayed or throttled.
//
// The queue compares an item with what it holds of the identity, and remembers
// nothing of what is done. It stores nothing, so what it holds when the process ends must come
// from the sources again. It does not order items of different identities.
package queue
