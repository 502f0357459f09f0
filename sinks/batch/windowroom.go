package batch

import (
	"math"
	"time"
)

const (
	// roomMost is how many changes may be under way at the most, if the window asks for fewer.
	roomMost = 16
	// roomWrites and roomTime are of how many writes, and of what time, the least is taken that
	// waits when one begins: of both at least, so that a ledger is seen that is slow now and then.
	roomWrites = 16
	roomTime   = 10 * time.Second
)

// room finds how many changes are to be under way beside those that the window asks for. A change
// that the ledger does not know yet waits for it first. While many do, the sink must not run
// out of others; but when the ledger answers they all come at once, and go before a change
// of any other cluster.
//
// So it begins with roomMost. What waits at the begin of each write for some time is not needed:
// half of it is taken away (the least over a time is what stands, as in CoDel, RFC 8289). All is
// given back at once when a writer runs out of changes.
//
// It is not safe for concurrent use.
type room struct {
	size  int
	least int       // that waited when one of the last writes began
	begun int       // how many these are
	since time.Time // the first of them
}

func newRoom() room { return room{size: roomMost, least: math.MaxInt} }

// Began tells that a write begins and so many changes wait for the next one, which is to have
// some of them.
func (r *room) Began(waiting, next int, now time.Time) {
	if r.begun == 0 {
		r.since = now
	}
	r.least = min(r.least, waiting)
	if r.begun++; r.begun < roomWrites || now.Sub(r.since) < roomTime {
		return
	}
	if spare := r.least - next; spare > 0 {
		r.size = max(r.size-max(spare/2, 1), 1)
	}
	r.least, r.begun = math.MaxInt, 0
}

// RanOut tells that a writer has found nothing to write. It reports whether that makes room.
func (r *room) RanOut() bool {
	grows := r.size < roomMost
	r.size, r.least, r.begun = roomMost, math.MaxInt, 0
	return grows
}
