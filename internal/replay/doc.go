// Package replay checks from outside what a sink has received: it replays the
// events and compares where that leads with what the API servers hold.
//
//	sink's events ──▶ Parse ──▶ State.Apply ──┬─▶ OutOfOrder, Repeated
//	                                          │
//	lists of every member ─────────────▶ State.Compare ──▶ Missing, Ghosts
//
// What it finds:
//   - missing: an object on a server whose present version is not the last that
//     the sink was told, or that the sink was never told of;
//   - ghost: an object that the sink was told of and not told to be gone, and
//     that no server has. Objects are told apart by UID: where a name was deleted
//     and taken again, the first UID's deletion must have come too;
//   - out of order: about one name, something older after something newer within
//     one run of the program;
//   - an event that is not what its attributes say, or that decoders might read
//     differently: an error of Parse.
//
// It reads the wire format itself and imports nothing of the program, so that a
// mistake made there is not made again here. It takes resourceVersions as ordered
// numbers where the cluster's UID is the same, which holds as long as no etcd
// was restored from a backup.
//
// A State is for one goroutine at a time. It holds every object ever told, and so
// grows with the number of names, not with the number of events.
//
// It does not talk to API servers, and it does not wait: who compares too early
// finds missing what is under way.
package replay
