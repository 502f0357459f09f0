// Package stream follows one resource of one cluster: snapshot, watch, resume,
// reconnect.
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
//   - Another cluster under the member's name: sinks have accepted that all of
//     the old one is gone, under its UID, before anything of the new one is
//     offered; across restarts, too.
//   - What is followed stays followed. A name is resolved once in each cluster,
//     and the ledger remembers what it means. While that is not served, the
//     stream waits. It never goes over to something else of that name, and
//     follows nothing whose name is ambiguous.
//   - A resource that is gone has no objects: sinks are told so, once several
//     complete discoveries, over a minute or more, have lacked it in a cluster
//     that has each time said who it is. Groups that failed, refusals, and
//     answers of what stands in front of the server are no such discoveries.
//   - Backpressure. While Offer blocks, nothing is read from the socket, and
//     nothing is buffered beyond one read of it. The time is not held against
//     the server.
//   - What something in front of the API server answers (no Status, no JSON) says
//     nothing of the cluster: nothing is missing or forbidden for it, no stream is
//     live, and the member's connection is told.
//   - A streaming list that the server does not serve, whatever it says instead, is
//     read in pages at once, as client-go's Reflector does.
//   - One frame at a time is held, of 16 MiB at most; of what is longer than 32 KiB
//     only once there is memory for it and its copy (Route.Memory), and likewise
//     nothing is copied before there is. A route that has none leaves the watch that
//     it shares with others. A snapshot is a streaming
//     list where the server has them, else pages of 500 objects whose items are
//     handed on as they arrive.
//   - What a sink refuses keeps no memory that others wait for. Its object is read
//     again, as a list of one, when the change is due (again.go).
//   - A change is what its event says. The names of the resource are
//     Kubernetes' (names.go), and what a member sends as another kind, in another
//     namespace, or so that decoders could take it for another object is rejected
//     (identity.go). A watch goes on without it; a snapshot fails, because what it
//     cannot tell it cannot sweep. Where the metadata are clear and the rest is not
//     what every decoder reads, the metadata are handed on alone: an API server
//     that is as it should be sends what its users wrote into a RawExtension or a
//     custom resource without a schema.
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
//   - What its cluster may not have in the ledger is left out, and found by a
//     snapshot once it may; all else goes on meanwhile.
//   - Every suppressed, rejected, repeated thing is counted, with its reason.
//
// A stream goes by the age of its last frame, not by whether the server can be
// reached: one that hears nothing for StaleAfter, no bookmark either, is stale,
// its watch is cut and opened again, and it stays stale until something is
// heard. Where there are no bookmarks (events, and servers without a watch cache)
// the server is asked to end each watch before StaleAfter, and that it does counts
// as heard: so a quiet resource is live, and a watch that hangs is found out. The
// first watch after a streaming list cannot be asked so; its silence is not held
// against it once. The resume point of a quiet resource without bookmarks stays
// where it is until it is compacted, and a snapshot follows.
//
// A cluster that is restored from a backup gives out resourceVersions again. A
// stream notices while the server has not come again to the version that it
// resumes from: it asks for that version before each watch, and takes a snapshot,
// which delivers what differs and is never held for old. When the server is
// beyond that version before anyone asks, which takes a Fairlead that was down
// or cut off meanwhile, nothing but an audit finds what differs: Config's
// AuditInterval. Equal UID and version are the same state to everyone, sinks
// included; if a restored cluster has come again to the very version of an
// object that was accepted before the restore, no comparison finds it. So whoever
// restores a cluster had better ask for a Replay.
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
