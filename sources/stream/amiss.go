package stream

import (
	"hash/maphash"
	"sync"
	"sync/atomic"

	"github.com/fairlead-dev/fairlead/internal/ledger"
)

// mostAmiss bounds how many objects an amiss remembers: 4 KiB at the most, because there is
// one for each stream, and another for each of its routes.
const mostAmiss = 100

// amissSeed is that of the hashes of names. Two objects of one hash count as one.
var amissSeed = maphash.MakeSeed()

// amiss remembers the objects with whose newest state something is wrong. A counter of such
// states tells that something has happened; this tells that it is still so, also if nothing
// changes for hours. It ends when a state of the object is read with which nothing is wrong,
// or the object is gone.
//
// It costs a state one load while nothing is amiss. Any goroutine may use it.
type amiss struct {
	count atomic.Int64 // of names

	mu    sync.Mutex
	names map[uint64]struct{} // hashes, mostAmiss at the most: of further objects nothing is known
}

// note says whether something is wrong with the newest state of an object.
func (a *amiss) note(name ledger.Name, wrong bool) {
	if !wrong && a.count.Load() == 0 {
		return
	}
	hash := maphash.Comparable(amissSeed, name)
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case !wrong:
		delete(a.names, hash)
	case len(a.names) < mostAmiss:
		if a.names == nil {
			a.names = map[uint64]struct{}{}
		}
		a.names[hash] = struct{}{}
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
