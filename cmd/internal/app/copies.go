package app

import (
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// copies decides of which objects recent keeps copies: those that a reader wants and has
// room for.
type copies struct {
	mu    sync.Mutex                  // of those who write index
	index atomic.Pointer[wanterIndex] // nil: there are no readers
	made  uint64                      // so many indexes were

	roomMu sync.Mutex    // of those who write roomy
	roomy  atomic.Uint64 // the bits of those that have room
}

// mostCopied bounds the copies of objects that recent keeps, in bytes: beyond it the oldest
// are given up.
const mostCopied = 16 << 20

// From one look of tails to the next, objects are copied for mostShared answers, divided among the
// tails that want some, and for leastShare of each: they are for the tails that have expressions,
// which cost some microseconds for each object.
const (
	mostShared = 1024
	leastShare = 128
)

// wanter is a reader of answers, and perhaps of objects.
type wanter struct {
	filter *tailFilter  // of which ones, without its expression
	bit    uint64       // in the index; 0: it gets no objects, as there are too many
	room   atomic.Int64 // for so many more
}

// add has a reader's wishes count until remove is called. It has no room at first.
func (c *copies) add(w *wanter) (remove func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := c.wanters()
	if free := slices.Index(all[:], nil); free >= 0 {
		all[free], w.bit = w, 1<<free
		c.storeLocked(all)
	}
	return func() {
		c.makeRoom(w, 0)
		c.mu.Lock()
		defer c.mu.Unlock()
		all := c.wanters()
		if at := slices.Index(all[:], w); at >= 0 {
			all[at] = nil
			c.storeLocked(all)
		}
	}
}

// storeLocked has the index be of these readers from now on.
func (c *copies) storeLocked(all [mostWanters]*wanter) {
	x := indexOf(all)
	if x != nil {
		c.made++
		x.number = c.made
	}
	c.index.Store(x)
}

// areWanted reports whether there is a reader that wants objects.
func (c *copies) areWanted() bool {
	x := c.index.Load()
	return x != nil && x.objects != 0
}

func (c *copies) wanters() [mostWanters]*wanter {
	if x := c.index.Load(); x != nil {
		return x.wanters
	}
	return [mostWanters]*wanter{}
}

// share is for how many objects each of the readers that want some may have room.
func (c *copies) share() int {
	if x := c.index.Load(); x != nil {
		return max(mostShared/max(bits.OnesCount64(x.objects), 1), leastShare)
	}
	return mostShared
}

// makeRoom says for how many objects a reader has room. One goroutine at a time calls it for
// a reader.
func (c *copies) makeRoom(w *wanter, objects int64) {
	c.roomMu.Lock()
	defer c.roomMu.Unlock()
	w.room.Store(objects)
	if objects > 0 {
		c.roomy.Or(w.bit)
	} else {
		c.roomy.And(^w.bit)
	}
}

// take takes room for one object, if there is any.
func (c *copies) take(w *wanter) bool {
	for room := w.room.Load(); room > 0; room = w.room.Load() {
		if w.room.CompareAndSwap(room, room-1) {
			if room == 1 {
				c.full(w)
			}
			return true
		}
	}
	return false
}

// full notes that a reader has no room, unless it has some again.
func (c *copies) full(w *wanter) {
	c.roomMu.Lock()
	defer c.roomMu.Unlock()
	if w.room.Load() <= 0 {
		c.roomy.And(^w.bit)
	}
}

// wanted reports whether the object of a change is to be copied. That takes some nanoseconds
// while nobody has room, as under a flood, and does not depend on how many readers want other
// objects. Those that want this one have room for so many only.
func (c *copies) wanted(route string, of *pipeline.Change) (wanted bool) {
	roomy := c.roomy.Load()
	if roomy == 0 || len(of.Object) > mostCopied {
		return false
	}
	x := c.index.Load()
	if x == nil {
		return false
	}
	plural := ""
	if of.Origin != nil {
		plural = of.Origin.Resource.Resource
	}
	who := roomy & x.who(route, &of.Key, plural, of.Op)
	if who&x.about.some != 0 && of.Origin != nil {
		who &^= x.about.others(of.Origin.Resource, of.Key.Namespace != "", &x.wanters)
	}
	for ; who != 0; who &= who - 1 {
		if c.take(x.wanters[bits.TrailingZeros64(who)]) {
			wanted = true
		}
	}
	return wanted
}
