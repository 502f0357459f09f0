// Package stream follows one resource of one cluster: snapshot, watch, resume,
// reconnect.
//
// This package is part of Fairlead's engine. Other modules can import it, but its API
// may change at any time.
//
//	           ┌──────────── resume point? ───────────┐
//	connect ───┤ no: snapshot ─ sweep (tombstones) ───┼─▶ watch ─▶ end ─┬─ closed, timeout, silent: watch from the last frame
//	(Acquire,  └ yes: does the server know it? ───────┘      ▲          ├─ 410 expired, versions went back: snapshot
//	 discover,        │                                      │          ├─ replay asked for, audit found something: snapshot
//	 retire)          ▼                                      │          ├─ 401, 403: wait for new credentials, slow retry
//	         ledger: Observe ─ Offer ─ Seen                  │          ├─ 404: discover again; not found: slow retry, until it is gone
//	                                                         └──────────┴─ error: exponential backoff, full jitter
//
// Guarantees:
//   - Nothing is skipped. A frame counts as seen once the queue has its change
//     or the ledger says that sinks need not have it; what a gap hides, the
//     snapshot after it shows, deletions included.
//   - After a restart it resumes from the ledger, without a list, and nothing is
//     delivered again that was accepted.
//   - Another cluster under the member's name: the sinks have accepted the deletion
//     of all objects of the old cluster, under its UID, before any object of the
//     new one is offered. This holds across restarts.
//   - A name keeps its meaning. It is resolved once in each cluster, and the ledger
//     remembers the result. While the resource is not served, the stream waits. It
//     never changes to another resource of that name, and follows nothing whose name
//     is ambiguous.
//   - A resource that is gone has no objects. Their deletions are delivered once
//     several complete discoveries, over a minute or more, lack the resource in a
//     cluster that identified itself each time. Groups that failed, refusals, and
//     answers of a proxy in front of the server are no such discoveries.
//   - A wildcard stands for what a cluster serves. A Survey finds out what that is, and
//     who owns the streams begins and ends them. What discovery does not tell of ends no
//     stream before the stream knows the resource to be gone, and sinks have been told.
//     What refuses the credentials is asked for less and less often.
//   - Backpressure. While Offer blocks, nothing is read from the socket, and
//     nothing is buffered beyond one read of it. That time does not count against
//     the server's timeouts.
//   - A limit of the resource (SetThrottles) works in the same way: without a token nothing is
//     read. A change costs one token, to however many routes it goes.
//   - An answer of a proxy in front of the API server (no Status, no JSON) says
//     nothing about the cluster: no resource is missing or forbidden because of it, no
//     stream is live, and the stream reports it to the member's connection.
//   - If the server does not serve streaming lists, whatever it answers instead, the
//     stream reads pages at once, as client-go's Reflector does.
//   - One frame at a time is held, of 16 MiB at most. One longer than 32 KiB is read
//     only once there is memory for it and its copy (Route.Memory), and no object is
//     copied before there is memory for the copy. A route without memory leaves the
//     watch that it shares with others. A snapshot is a streaming list where the
//     server has them, else pages of 500 objects whose items are handed on as they
//     arrive.
//   - A refused change keeps no memory that others wait for. Its object is read again,
//     as a list of one, when the change is due (rereadqueue.go).
//   - A change is what its event says. Names of resources must be valid in Kubernetes
//     (names.go). An object of another kind or namespace, or one that decoders could
//     take for another object, is rejected (identity.go). A watch goes on without it;
//     a snapshot fails, because it cannot sweep objects that it cannot identify. If
//     the metadata are clear and decoders would read the rest differently, the
//     metadata are handed on alone: a correct API server sends what its users wrote
//     into a RawExtension or a custom resource without a schema.
//   - Frames are scanned, not decoded: every byte is checked to be JSON, but
//     only identity and version are picked out. The rest is copied once, without
//     managedFields.
//   - Values of Secrets of the core group are dropped here, unless
//     Config.SecretValues allows them, even if the server sends them unasked.
//   - No hot loop: whatever a server does, attempts that do not last are spaced
//     by a backoff that ends at ReconnectMax. Retry-After is honoured up to five
//     minutes. A new session ends every wait.
//   - A slow or hung member holds a snapshot slot for at most about ten seconds,
//     and about one if it does not move.
//   - Objects beyond the cluster's bound in the ledger are left out, and a snapshot
//     finds them once there is room. Everything else goes on meanwhile.
//   - What a route's rules do not select leaves nothing: no memory, no place in a lane, no
//     record. If its sink may hold the object, it gets a deletion without the object.
//     Routes of the same form share one copy of it. Rules that cannot be evaluated select
//     (selection.go). Audits follow the rules.
//   - Every suppressed, rejected, filtered or repeated state is counted, with its reason.
//
// The age of the last frame decides whether a stream is live, not whether the server
// can be reached. A stream that receives nothing for StaleAfter, not even a bookmark, is
// stale: its watch is cut and opened again, and it stays stale until a frame arrives.
// Where there are no bookmarks (events, and servers without a watch cache), the stream
// asks the server to end each watch before StaleAfter, and that end counts as a frame.
// So a quiet resource is live, and a watch that hangs is detected. The first watch
// after a streaming list cannot be limited so; its first silence is tolerated. The
// resume point of a quiet resource without bookmarks stays where it is until it is
// compacted, and a snapshot follows.
//
// A cluster that is restored from a backup uses resourceVersions again. A stream
// detects that while the server has not reached the version that it resumes from: it
// asks for that version before each watch, and takes a snapshot, which delivers what
// differs and suppresses nothing as stale. If the server passes that version while
// Fairlead is down or cut off, only an audit finds what differs (Config.AuditInterval).
// Equal UID and version are the same state to everyone, sinks included: if a restored
// cluster reaches the very version of an object that was accepted before the restore, no
// comparison finds it. So after a restore of a cluster, ask for a Replay.
//
// An object larger than 16 MiB is handed on as its metadata alone (a
// PartialObjectMetadata), which stand at the start of what API servers written
// in Go send. If they do not, it is skipped by a watch, and makes a snapshot
// fail, because it would be taken for deleted otherwise; it can be left out by a
// selector, or watched with mode=metadata. No API server with an etcd behind it
// takes objects anywhere near that size.
//
// Run owns its stream: it is one goroutine, and one more during an audit, and one for each
// route while something that it refused is read again. While
// nothing comes it holds no buffer. Status and Replay may be called from any goroutine, and so may
// a Collector collect. Workers call the
// tracker of a change's origin at any time, also after Run has ended.
//
// It does not: decide whether the member may be dialed (its connection does),
// limit how fast changes go on (the queue does), or remember anything across a
// restart (the ledger does).
package stream
