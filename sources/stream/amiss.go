package stream

import (
	"sync"
	"sync/atomic"

	"github.com/fairlead-dev/fairlead/internal/ledger"
)

// mostAmiss bounds how many objects an amiss remembers: names of some 300 KiB at the most.
const mostAmiss = 1000

// amiss remembers the objects with whose newest state something is wrong. A counter of such
// states tells that something has happened; this tells that it is still so, also if nothing
// changes for hours. It ends when a state of the object is read with which nothing is wrong,
// or the object is gone.
//
// It costs a state one load while nothing is amiss. Any goroutine may use it.
type amiss struct {
	count atomic.Int64 // of names

	mu    sync.Mutex
	names map[ledger.Name]struct{} // mostAmiss at the most: of further objects nothing is known
}

// note says whether something is wrong with the newest state of an object.
func (a *amiss) note(name ledger.Name, wrong bool) {
	if !wrong && a.count.Load() == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case !wrong:
		delete(a.names, name)
	case len(a.names) < mostAmiss:
		if a.names == nil {
			a.names = map[ledger.Name]struct{}{}
		}
		a.names[name] = struct{}{}
	}
	a.count.Store(int64(len(a.names)))
}

// forget says that nothing is known any more.
func (a *amiss) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	clear(a.names)
	a.count.Store(0)
}

// objects returns how many there are.
func (a *amiss) objects() int { return int(a.count.Load()) }
