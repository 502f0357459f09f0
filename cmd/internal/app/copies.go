package app

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// copies decides of which objects recent keeps copies: those that a reader wants and has
// room for.
type copies struct {
	mu      sync.Mutex                // of those who write wanters
	wanters atomic.Pointer[[]*wanter] // nil: nobody wants any
	roomy   atomic.Int32              // so many of them have room
}

// mostCopied bounds the copies of objects that recent keeps, in bytes: beyond it the oldest
// are given up.
const mostCopied = 16 << 20

// wanter is a reader that wants objects.
type wanter struct {
	wants func(route string, c *pipeline.Change) bool // called by stages: it must not block
	room  atomic.Int64                                // for so many more
}

// add has a reader's wishes count until remove is called. It has no room at first.
func (c *copies) add(w *wanter) (remove func()) {
	c.change(func(all []*wanter) []*wanter { return append(all, w) })
	return func() {
		c.change(func(all []*wanter) []*wanter {
			return slices.DeleteFunc(all, func(other *wanter) bool { return other == w })
		})
		c.makeRoom(w, 0)
	}
}

// makeRoom says for how many objects a reader has room. One goroutine at a time calls it for
// a reader.
func (c *copies) makeRoom(w *wanter, objects int64) {
	switch had := w.room.Swap(objects) > 0; {
	case had && objects <= 0:
		c.roomy.Add(-1)
	case !had && objects > 0:
		c.roomy.Add(1)
	}
}

// take takes room for one object, if there is any.
func (c *copies) take(w *wanter) bool {
	for room := w.room.Load(); room > 0; room = w.room.Load() {
		if w.room.CompareAndSwap(room, room-1) {
			if room == 1 {
				c.roomy.Add(-1)
			}
			return true
		}
	}
	return false
}

func (c *copies) change(f func([]*wanter) []*wanter) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []*wanter
	if now := c.wanters.Load(); now != nil {
		all = slices.Clone(*now)
	}
	if all = f(all); len(all) == 0 {
		c.wanters.Store(nil)
		return
	}
	c.wanters.Store(&all)
}

// wanted reports whether the object of a change is to be copied. While nobody has room, as
// under a flood, that takes some nanoseconds.
func (c *copies) wanted(route string, of *pipeline.Change) (wanted bool) {
	if c.roomy.Load() <= 0 || len(of.Object) > mostCopied {
		return false
	}
	all := c.wanters.Load()
	if all == nil {
		return false
	}
	for _, w := range *all {
		if w.room.Load() > 0 && w.wants(route, of) && c.take(w) {
			wanted = true
		}
	}
	return wanted
}
