package pipeline

import "context"

// ShutDown stops the intake at once and lets the workers have what waits, for
// which no tokens are needed any more; then Get returns shutdown. What is
// delayed is dropped, and blocked Offers return ErrShuttingDown. It does not
// wait, and ends the waiting of ShutDownWithDrain and Stop. Calling it again
// is fine.
func (q *Queue[T, K]) ShutDown() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.shutLocked(closing)
	q.unwaitLocked()
}

// ShutDownWithDrain stops the intake as ShutDown does, then waits until
// nothing waits or is in work any more. Tokens are waited for.
func (q *Queue[T, K]) ShutDownWithDrain() {
	q.mu.Lock()
	q.shutLocked(draining)
	idle := q.idleLocked()
	q.mu.Unlock()
	<-idle
}

// Stop is ShutDownWithDrain until ctx ends or ShutDown is called; then it
// drops what still waits. It returns how many items the queue had taken and
// did not see the end of: those dropped, by now or by an earlier call,
// including the ones that were delayed or whose work failed after the intake
// had stopped, and those still in work.
func (q *Queue[T, K]) Stop(ctx context.Context) (left int) {
	q.mu.Lock()
	q.shutLocked(draining)
	idle := q.idleLocked()
	q.mu.Unlock()
	select {
	case <-idle:
	case <-ctx.Done():
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, l := range q.lanes {
		q.lost += len(q.emptyLocked(l, dropShutdown))
	}
	q.shutLocked(closing)
	q.settleLocked()
	return q.lost + q.inWork
}

// ShuttingDown reports whether the intake has been stopped.
func (q *Queue[T, K]) ShuttingDown() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.phase != accepting
}

// shutLocked takes the shutdown as far as p, if it is not further already.
func (q *Queue[T, K]) shutLocked(p phase) {
	if q.phase >= p {
		return
	}
	if q.phase == accepting {
		for _, l := range q.lanes {
			q.refuseOffersLocked(l, ErrShuttingDown)
			q.lost += len(q.dropListLocked(nil, l, &l.delayed, dropShutdown))
		}
	}
	q.phase = p
	if p == closing {
		for now := q.now(); len(q.throttled.heap) > 0; {
			q.unthrottleLocked(q.throttled.next().self, now)
		}
		for _, l := range q.lanes {
			q.resumeLocked(l)
		}
		if q.timer != nil {
			q.timer.Stop()
		}
	}
	q.workers.Broadcast()
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
