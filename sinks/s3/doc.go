// Package s3 writes changes as segments of JSON lines to a bucket of S3, or of a store
// that speaks its protocol.
//
//	batch ──▶ parts, one for each cluster ──▶ lines, zstd ──▶ PUT of one object each ──▶ accepted
//
//	PREFIX/v1/cluster=C/dt=2026-11-27/hh=20/TERM-SEQUENCE-HASH.ndjson.zst
//
// Each line of a segment is one CloudEvents 1.0 event, see
// [pipeline.Change.AppendCloudEvent]. The day and hour are those, in UTC, in which the
// first change of the segment was observed; C is the cluster's name with every byte but
// letters, digits, dot, dash and underscore as %XX; TERM and SEQUENCE are those of the
// first change, of 20 digits; HASH is of the ids of all.
//
// # Guarantees
//
// What is guaranteed of a store that keeps what it has answered to a PUT:
//
//   - What Write accepted is in the bucket. Nothing is accepted before the answer.
//   - The same batch makes the same keys and the same bytes. A batch that is cut anew,
//     with what has arrived meanwhile, makes another segment with some of the same events.
//   - A segment is there completely or not at all, and is never changed or deleted.
//   - By default the store verifies a CRC-32C of what it receives.
//   - Where the segment of one cluster fails, those of other clusters are accepted.
//
// After a crash batches are cut anew. So an event may stand in several segments: equal
// source and id are the same event. The order of the keys is not that of the changes. Of
// two events of one object the later one has the higher term or, of the same term, the
// higher sequence.
//
// The store is trusted to keep what it accepts. A success counts only with the checksum of
// the segment or an ETag, which tells a store from a proxy. Its answers are not trusted:
// they are bounded, and shown without credentials.
//
// # Rights
//
// The credentials need s3:PutObject on what begins with the prefix, and nothing else.
// [Sink.Check] uses the same right.
//
// # Usage
//
//	sink, err := s3.New(s3.Options{
//		Host: "s3.eu-central-1.amazonaws.com", Region: "eu-central-1", Bucket: "audit",
//		Credentials: s3.FromFile("/etc/fairlead/aws", ""),
//	})
//	...
//	err = sink.Write(ctx, batch)
//	err = sink.Close()
//
// A store charges for each PUT. So put [github.com/fairlead-dev/fairlead/sinks/batch] with
// a linger in front, as [Kind] does. Write may be called by several goroutines, never with
// the same key by two; Check by any at any time.
package s3
