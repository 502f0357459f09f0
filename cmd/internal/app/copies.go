package app

import "sync/atomic"

// copies decides of which objects recent keeps copies: those that a reader wants and has
// room for, as long as all of them together take no more than mostCopied.
type copies struct {
	bytes   atomic.Int64
	wanters atomic.Pointer[[]*wanter] // nil: nobody wants any
}

// mostCopied bounds the copies of objects that recent keeps, in bytes.
const mostCopied = 16 << 20

// wanter is a reader that wants objects.
type wanter struct {
	wants func(*answer) bool // called by stages: it must not block
	room  atomic.Int64       // so many more
}

// wanted reports whether an object of n bytes is to be copied, and counts it if so.
func (c *copies) wanted(a *answer, n int) bool {
	all := c.wanters.Load()
	if all == nil {
		return false
	}
	wanted := false
	for _, w := range *all {
		if w.room.Load() > 0 && w.wants(a) {
			w.room.Add(-1)
			wanted = true
		}
	}
	if !wanted {
		return false
	}
	if c.bytes.Add(int64(n)) > mostCopied {
		c.bytes.Add(int64(-n))
		return false
	}
	return true
}

// dropped says that an answer is forgotten, with its copy.
func (c *copies) dropped(a *answer) {
	if len(a.object) > 0 {
		c.bytes.Add(int64(-len(a.object)))
	}
}
