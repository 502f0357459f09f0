// Package otlp sends changes as log records to whatever receives OTLP over HTTP: an
// OpenTelemetry Collector, or a store that speaks it.
//
//	batch ──▶ requests of at most so many bytes ── protobuf, gzip ── POST /v1/logs ──▶ accepted
//
// A change is one log record, with the name of the event's type, the object as its body,
// and the attributes of the event; see record. Records of one cluster have its resource.
//
// # Guarantees
//
//   - A change is accepted once the receiver has answered with success. What it does with
//     the record then is its business: a Collector's answer says that the record is in
//     its memory, unless the queue of its exporter is on a disk.
//   - Changes of one object are sent in their order, the next request after the answer to
//     the one before.
//   - A record of which a receiver says that it has rejected it (partial success) is counted
//     and logged, and not sent again, as OTLP has it: the receiver does not say which it is.
//   - Records may come more than once. The id of the event is an attribute of each.
//
// Answers are not trusted: they are bounded, and shown without credentials.
//
// # Usage
//
//	sink, err := otlp.New(otlp.Options{URL: "https://collector.example:4318/v1/logs", TokenFile: "/etc/fairlead/token"})
//	...
//	err = sink.Write(ctx, batch)
//	err = sink.Close()
//
// [Kind] makes it a sink that a text chooses. Write may be called by several goroutines,
// never with the same key by two; Check by any at any time.
package otlp
