// Package replay checks from outside what a sink has received: it replays the
// events and compares where that leads with what the API servers hold.
//
//	sink's events ──▶ Parse ──┬─▶ State: what was told last ─────┐──▶ OutOfOrder, Repeated
//	                          ├─▶ ByID: who drops repeats ───────┤──▶ OutOfOrder
//	                          ├─▶ ByNumber: who orders by number ┤
//	                          └─▶ Numbers ───────────────────────│──▶ OutOfOrder
//	lists of every member ───────────────────────────────▶ Compare ──▶ Missing, Ghosts
//
// What it finds:
//   - missing: an object on a server whose present version is not the last that
//     the sink was told, or that the sink was never told of;
//   - ghost: an object that the sink was told of and not told to be gone, and
//     that no server has. Objects are told apart by UID: where a name was deleted
//     and taken again, the first UID's deletion must have come too;
//   - out of order: about one name, something older after something newer within
//     one run of the program; to a consumer that drops what has an id that it had,
//     a state that it did not have, and that is older than one that it had; of
//     the numbers, one that tells of two things, or goes back;
//   - an event that is not what its attributes say, or that decoders might read
//     differently: an error of Parse.
//
// It reads the wire format itself and imports nothing of the program, so that a
// mistake made there is not made again here. It takes resourceVersions as ordered
// numbers where the cluster's UID is the same, which holds as long as no etcd
// was restored from a backup.
//
// None of them is for two goroutines at a time. State and ByNumber hold every object
// ever told, and so grow with the number of names; ByID and Numbers with that of
// events.
//
// It does not talk to API servers, and it does not wait: who compares too early
// finds missing what is under way.
package replay
