package batch

import "math"

const (
	// roomMost is how many changes may be under way at the most, if the window asks for fewer.
	roomMost = 16
	// roomWrites is of how many writes the least is taken that waits when one begins.
	roomWrites = 16
)

// room finds how many changes are to be under way beside those that the window asks for. A change
// that the ledger does not know yet waits for it first. While many do, the sink must not run
// out of others; but when the ledger answers they all come at once, and go before a change
// of any other cluster.
//
// So it begins with roomMost. What waits at the begin of each of some writes is not needed:
// half of it is taken away (the least over a time is what stands, as in CoDel, RFC 8289). A
// quarter is given back whenever a writer finds nothing to write.
//
// It is not safe for concurrent use.
type room struct {
	size  int
	least int // that waited when one of the last writes began
	begun int // how many these are
}

func newRoom() room { return room{size: roomMost, least: math.MaxInt} }

// Began tells that a write begins and so many changes wait for the next one, which is to have
// some of them.
func (r *room) Began(waiting, next int) {
	r.least = min(r.least, waiting)
	if r.begun++; r.begun < roomWrites {
		return
	}
	if spare := r.least - next; spare > 0 {
		r.size = max(r.size-max(spare/2, 1), 1)
	}
	r.least, r.begun = math.MaxInt, 0
}

// RanOut tells that a writer has found nothing to write.
func (r *room) RanOut() {
	r.size = min(r.size+max(r.size/4, 1), roomMost)
	r.least, r.begun = math.MaxInt, 0
}
