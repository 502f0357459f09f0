// Package sinktest is the conformance suite of sinks: what every
// [pipeline.Sink] has to do, whatever it writes to.
//
//	suite ── Write ──▶ sink ──▶ destination ── read ──▶ suite
//
// It checks that what was accepted can be read back at once, in order for each
// key, with every attribute and the object as it was; that repeats are the
// only thing a sink may add; that a sink keeps nothing of a batch; and that it
// obeys its context. [RunState] does so for a destination that holds what is now, and
// not what happened. [RunRefusing] checks what a sink says of changes that it refuses by
// themselves, [RunPoison] of those that its destination refuses for what they are, and
// [RunOutages] what it does while its destination is away, and when it is closed. [RunMetrics]
// checks that a sink that cannot be made leaves no metrics behind.
//
// For tests of one's own there are [Choose], [Insist] and [Fails], changes ([Pod], [Gone],
// [Traced]), and [Fleet]: what happens to Pods of two clusters, with what a reader has to find.
//
// # Usage
//
//	func TestConformance(t *testing.T) {
//		sinktest.Run(t, func(t *testing.T) (pipeline.Sink, func() []pipeline.Event) {
//			table := newTable(t) // empty
//			return mine.New(table), table.read
//		})
//	}
package sinktest
