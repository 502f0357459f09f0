package queue

import "context"

// ShutDown stops the intake at once. What waits is dropped if
// Options.DropOnShutDown says so; else the workers get it, as their turns
// and tokens come. Then Get returns shutdown. What is delayed or held is dropped in any
// case, blocked Offers return ErrShuttingDown, and every Rest ends. It does not wait, and ends the
// waiting of ShutDownWithDrain and Stop. Calling it again is fine.
func (q *Queue[T, K]) ShutDown() {
	q.mu.Lock()
	first := q.shutLocked()
	if q.o.DropOnShutDown {
		q.dropAllLocked()
	}
	q.unwaitLocked()
	q.unlock()
	q.tellShut(first)
}

// ShutDownWithDrain stops the intake, then waits until nothing waits or is in
// work any more, or ShutDown is called: what waits is handed out within its
// limits, whatever DropOnShutDown says. For a controller's queue, call it before
// the controller is stopped.
func (q *Queue[T, K]) ShutDownWithDrain() {
	q.mu.Lock()
	first := q.shutLocked()
	idle := q.idleLocked()
	q.unlock()
	q.tellShut(first)
	<-idle
}

// Stop is ShutDownWithDrain until ctx ends; then it drops what still waits. It
// returns how many items the queue had taken and did not see the end of: those
// dropped, by now or by an earlier call, including the ones that were delayed or
// whose work failed after the intake had stopped, and those still in work.
func (q *Queue[T, K]) Stop(ctx context.Context) (left int) {
	q.mu.Lock()
	first := q.shutLocked()
	idle := q.idleLocked()
	q.unlock()
	q.tellShut(first)
	select {
	case <-idle:
	case <-ctx.Done():
	}
	q.mu.Lock()
	defer q.unlock()
	q.dropAllLocked()
	q.settleLocked()
	return q.lost + q.inWork
}

// ShuttingDown reports whether the intake has been stopped.
func (q *Queue[T, K]) ShuttingDown() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.shut
}

// shutLocked stops the intake. It tells whether that is the first time.
func (q *Queue[T, K]) shutLocked() (first bool) {
	if q.shut {
		return false
	}
	q.shut = true
	q.tellHeldLocked()
	for _, l := range q.lanes {
		q.refuseOffersLocked(l, ErrShuttingDown)
		q.lost += len(q.dropListLocked(nil, l, &l.delayed, dropShutdown))
		q.dropHeldLocked(l)
		if l.rest.token.set() {
			q.openLocked(&l.rest, q.now())
		}
	}
	q.workers.Broadcast()
	return true
}

func (q *Queue[T, K]) tellShut(first bool) {
	if first && q.o.OnShutDown != nil {
		q.o.OnShutDown()
	}
}

// dropAllLocked drops everything that waits.
func (q *Queue[T, K]) dropAllLocked() {
	for _, l := range q.lanes {
		q.lost += len(q.emptyLocked(l, dropShutdown))
	}
	if q.total.token.set() {
		q.openLocked(&q.total, q.now())
	}
	if q.timer != nil {
		q.timer.Stop() // nothing is delayed or throttled any more
	}
}

// idleLocked returns a channel that is closed when nothing waits or is in work
// any more, or ShutDown is called.
func (q *Queue[T, K]) idleLocked() <-chan struct{} {
	if q.idle == nil {
		q.idle = make(chan struct{})
	}
	idle := q.idle
	q.settleLocked()
	return idle
}

// settleLocked tells those who wait for the queue to be idle if it is.
func (q *Queue[T, K]) settleLocked() {
	if q.waiting == 0 && q.inWork == 0 {
		q.unwaitLocked()
	}
}

func (q *Queue[T, K]) unwaitLocked() {
	if q.idle != nil {
		close(q.idle)
		q.idle = nil
	}
}
