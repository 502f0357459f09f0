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
}

// mostCopied bounds the copies of objects that recent keeps, in bytes: beyond it the oldest
// are given up.
const mostCopied = 16 << 20

// wanter is a reader that wants objects.
type wanter struct {
	wants func(route string, c *pipeline.Change) bool // called by stages: it must not block
	room  atomic.Int64                                // so many more
}

// add has a reader's wishes count until remove is called.
func (c *copies) add(w *wanter) (remove func()) {
	c.change(func(all []*wanter) []*wanter { return append(all, w) })
	return func() {
		c.change(func(all []*wanter) []*wanter {
			return slices.DeleteFunc(all, func(other *wanter) bool { return other == w })
		})
	}
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

// wanted reports whether the object of a change is to be copied.
func (c *copies) wanted(route string, of *pipeline.Change) (wanted bool) {
	all := c.wanters.Load()
	if all == nil || len(of.Object) > mostCopied {
		return false
	}
	for _, w := range *all {
		if w.room.Load() > 0 && w.wants(route, of) {
			w.room.Add(-1)
			wanted = true
		}
	}
	return wanted
}
