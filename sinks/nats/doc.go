// Package nats writes changes to NATS JetStream: to a stream, which holds what
// happened, or to a bucket of its key-value store, which holds what is now.
//
//	batch ── rounds, one message per object in each ──▶ publish ──▶ stream or bucket
//	             ▲                                         │
//	             └── next round once all have answered ◀───┘
//
//	stream  PREFIX.<cluster>.<group|core>.<resource>.<namespace|_>.<name>   CloudEvents
//	bucket         <cluster>.<group|core>.<resource>.<namespace|_>.<name>   the last one
//
// # Guarantees
//
//   - What Write accepted has been acknowledged by JetStream, each message by itself.
//   - Of one object never two messages are awaited at once: the next one is sent when the
//     one before has been answered. But a message that was not answered in time may still
//     be on its way through the server that was left, and reach a stream late, behind
//     later ones of its object. Readers of a stream take the one with the higher term
//     or, of the same term, the higher sequence. A bucket refuses such a message.
//   - A message of a stream has an id (Nats-Msg-Id). JetStream drops repeats within the
//     stream's duplicate window, of two minutes by default; later ones stand in it twice.
//   - A server that takes no connection, or accepts nothing, is left for the next one.
//     Check and ReadBack have connections of their own, which end with them.
//   - A bucket that drops keys by itself (TTL, or limits with discard old) is refused, for
//     now: what does not change would vanish from it.
//   - A key of a bucket is replaced only if the revision is still the one that was
//     compared with, and only by a change of a higher term or, of the same term, a higher
//     sequence. So a repeat never brings an older state back, and what is deleted stays
//     so: a deletion is a marker that has both numbers. A change of a lower term than the
//     key's is refused with [pipeline.ErrOldTerm].
//   - A message that is larger than the server or the stream takes is refused for good,
//     and only that one. Everything else is tried again.
//   - Nothing waits in the client: what cannot be sent now fails now. Each new connection
//     reads the credentials again.
//   - No stream or bucket is made unless the options say so, and none is ever changed.
//
// Subjects and keys have each byte outside A-Z, a-z, 0-9 and - of a name as = and two
// hexadecimal digits.
//
// # What it trusts, and what it needs
//
// The servers are trusted to keep what they acknowledge: use three replicas. The user
// needs to publish to the subjects and to subscribe to its inboxes; for a bucket also
// what a key-value client needs ($KV and $JS.API of the bucket's stream, and to read a
// large one back $JS.FC).
//
// # Usage
//
//	sink, err := nats.New(nats.Options{Servers: []string{"nats:4222"}, Stream: "fairlead"})
//	...
//	err = sink.Write(ctx, batch)
//	err = sink.Close()
//
// [NewKV] returns a sink for a bucket. Write is called by one goroutine at a time; Check
// and ReadBack by any, at any time. [Kind] makes both sinks that a text chooses.
package nats
