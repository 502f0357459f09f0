// Package kafka writes changes to topics of Apache Kafka, or of what speaks its
// protocol.
//
//	batch ── records, key = object ──▶ producer ── acks=all ──▶ topic
//	  │                                   │
//	  │  deleted: event, then tombstone   └─ result of each record ──▶ accepted or BatchError
//	  └─ cut into parts by bytes; halved if the broker finds a part too large
//
// # Guarantees
//
//   - What Write accepted has been acknowledged by all replicas in sync (acks=all).
//   - All records of an object have one key, and so one partition: a consumer reads
//     them in their order. There is one producer, and it is idempotent, so that its own
//     repeats of a request neither double nor reorder records. After an error the
//     changes of a batch are written again: of an object, the records behind the one
//     that failed too. What the producer has abandoned may still arrive, but a partition
//     refuses it once it has a later record of the producer. So a consumer may read a
//     record again, but does not end with an older one of the same process. What a
//     process has left on its way when it ended is not held back so: see below.
//   - The deletion of an object is an event and then a tombstone, a record without a
//     value, by which a compacted topic forgets the object. Nothing else is without a
//     value.
//   - A record that the broker finds too large is refused for good, and only that one.
//     Everything else is an error to try again: a wrong password or a missing topic
//     costs no change.
//   - No topic is made unless the options say so. One that is made acknowledges with two
//     replicas (min.insync.replicas) if it has as many, and takes 4 MiB.
//   - Write returns soon after its context ends, also while a broker hangs.
//
// It does not fence: Kafka takes what a leader or a process that has ended writes late,
// after the next one has begun. Records carry term and sequence in headers, and of two records of one key
// the one with the higher term, or of the same term the higher sequence, is right.
//
// # What it trusts, and what it needs
//
// The brokers are trusted to name the other brokers, and not to see more than the
// records; answers are bounded in size. The user needs Describe and Write on the
// topics (and IdempotentWrite on the cluster before Kafka 3.0); DescribeConfigs on
// them is of use, and Create if it is to make them.
//
// # Usage
//
//	sink, err := kafka.New(kafka.Options{Brokers: []string{"broker:9092"}, Topic: "fairlead"})
//	...
//	err = sink.Write(ctx, batch)
//	err = sink.Close()
//
// Write is called by one goroutine at a time; Check by any, at any time. [Kind] makes
// it a sink that a text chooses.
package kafka
