package stage

import (
	"sync"
	"time"
)

// notBefore lets workers wait until a time that may change while they do: it is an
// estimate, and what it is waited for may come earlier.
type notBefore struct {
	mu      sync.Mutex
	until   time.Time
	changed chan struct{} // closed when until is another; nil: nobody waits
}

// set changes the time. Zero, or one that is over, holds nobody up.
func (n *notBefore) set(until time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.until.Equal(until) {
		return
	}
	n.until = until
	if n.changed != nil {
		close(n.changed)
		n.changed = nil
	}
}

// wait returns when the time has come, or within gatherStep of when over reports true.
func (n *notBefore) wait(over func() bool) {
	for {
		wait, changed := n.left()
		if wait <= 0 || over() {
			return
		}
		timer := time.NewTimer(min(wait, gatherStep))
		select {
		case <-timer.C:
		case <-changed:
		}
		timer.Stop()
	}
}

// left returns how long there is to wait, and what is closed should that change.
func (n *notBefore) left() (wait time.Duration, changed <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.until.IsZero() {
		return 0, nil
	}
	if wait = time.Until(n.until); wait <= 0 {
		return 0, nil
	}
	if n.changed == nil {
		n.changed = make(chan struct{})
	}
	return wait, n.changed
}
