// Package batch lets many workers share one sink by group commit.
//
//	workers ── Deliver ──▶ pending ── next batch ──▶ Run ── Write ──▶ sink
//	   ▲                      ▲                       │
//	   │                      └── destination failed ─┤
//	   └─────── accepted, dead-lettered, refused ─────┘
//
// While one write is under way, what arrives forms the next batch: a slow
// destination gets large batches, a fast one small ones at once, and nobody
// waits for a timer, unless the destination charges for each request: see
// Options.Linger.
//
// # Usage
//
// A Batcher is the [pipeline.Destination] of a stage. Run it before the stage, and end it
// after the stage:
//
//	batcher := batch.New("table", sink, batch.Options{})
//	s, err := stage.New(stage.Options{Queue: queue, Destination: batcher, Workers: 64, Registerer: registerer})
//	...
//	err = batcher.Run(ctx)
//
// # Guarantees
//
//   - Deliver tells of each change once: accepted, when the sink durably has it or
//     the dead-letter function took what the sink never will; or refused, and why.
//     Nothing is kept of a change that was told of: who brings it again decides
//     when.
//   - Changes of one key are written in the order in which they were given. When
//     one is refused, what is behind it of its key is refused with it.
//   - An error of the destination holds everything back: exponential backoff
//     with full jitter, for ever, or the delay that the error asks for. The
//     callers of Deliver wait, which is what pushes back. An error of single
//     changes is told to their callers, and holds up nothing. One in the middle of
//     a batch ([pipeline.Outage]) holds back what is left of the batch.
//   - A batch that fails is tried again with half of it, and what is too large for the
//     destination is written no more, but for a try now and then: see Status.TooLarge. So a
//     limit of a proxy, or a deadline, costs one write in a hundred at first, and one in
//     10 minutes after a while.
//   - A permanent error of a whole batch splits the batch until the change
//     that the sink refuses stands alone, so that it takes no other with it. A panic
//     of the sink's Write is such an error. From then on
//     that object is written alone, and a cluster of which that happens again in batches
//     of its own: with an eighth of the time, so long as there are others. What waits for
//     that is told to come again later ([pipeline.PutOff]). See suspects.go.
//   - Memory is bounded by the callers: what no caller waits for any more is
//     not kept, unless its write is under way.
//
// Deliver and Status may be called from any number of goroutines; Run writes
// from as many as Options.Concurrency says, and never the same key from two. A change whose caller gave up may still arrive, and any change may
// arrive more than once.
//
// It does not encode, drop repeats, or outlive the process: a change that was
// not accepted before the end comes back through the ledger.
package batch
