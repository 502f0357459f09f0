package queue

import (
	"context"
	"fmt"

	"github.com/fairlead-dev/fairlead/internal/list"
)

// RemoveCluster frees what the queue holds for a cluster. It drops what waits
// and is delayed, lets blocked Offers return ErrClusterRemoved, and waits for
// what is in work; what comes back from there is dropped too. Then lane,
// bucket and metrics of the cluster are gone. Its weight and its override in
// the buckets are configuration and stay. Queues that share buckets should all
// be told.
//
// If ctx ends first, the lane is freed all the same and the error says how
// many items are still in work; their Done may come whenever it does. Items
// added once RemoveCluster has returned make a fresh lane. It is freed when they
// are done if Options.Known does not know the cluster; else it stays until
// RemoveCluster is called again.
func (q *Queue[T, K]) RemoveCluster(ctx context.Context, name string) error {
	q.mu.Lock()
	l := q.lanes[name]
	if l == nil {
		q.forgetBuckets(name)
		q.mu.Unlock()
		return nil
	}
	var dropped []K
	if !l.leaving {
		l.leaving = true
		q.tellHeldLocked()
		l.idle = make(chan struct{})
		q.refuseOffersLocked(l, ErrClusterRemoved)
		dropped = q.emptyLocked(l, dropRemoved)
		if l.inWork == 0 {
			q.freeLaneLocked(l)
			close(l.idle)
		}
		q.settleLocked()
	}
	q.unlock()

	for _, key := range dropped {
		q.o.RateLimiter.Forget(key) // nobody else will
	}
	select {
	case <-l.idle:
		return nil
	case <-ctx.Done():
	}
	q.mu.Lock()
	defer q.unlock()
	if l.inWork == 0 {
		return nil
	}
	q.freeLaneLocked(l)
	return fmt.Errorf("remove cluster %q: %d items still in work: %w", name, l.inWork, ctx.Err())
}

// freeLaneLocked forgets an empty lane.
func (q *Queue[T, K]) freeLaneLocked(l *lane[T, K]) {
	if l.gone {
		return
	}
	l.gone = true
	delete(q.lanes, l.name)
	q.forgetBuckets(l.name)
}

func (q *Queue[T, K]) forgetBuckets(cluster string) {
	q.o.Buckets.Forget(cluster)
	q.o.SnapshotBuckets.Forget(cluster)
}

// forgetLocked frees a lane of which nothing is left, if nobody knows its
// cluster.
func (q *Queue[T, K]) forgetLocked(l *lane[T, K]) {
	if l.isEmpty() && !q.o.Known(l.name) {
		q.freeLaneLocked(l)
	}
}

// refuseOffersLocked lets all Offers and WaitRooms that are blocked at a lane
// return err.
func (q *Queue[T, K]) refuseOffersLocked(l *lane[T, K], err error) {
	for c := range l.offers {
		for l.offers[c].N > 0 {
			o := l.offers[c].Head.Self
			q.resolveLocked(o, err)
			q.releaseLocked(o.entry)
		}
	}
	l.tellRooms(err)
}

// emptyLocked drops everything that waits or is delayed in a lane, and returns
// the identities.
func (q *Queue[T, K]) emptyLocked(l *lane[T, K], r dropReason) (dropped []K) {
	dropped = q.dropListLocked(dropped, l, &l.delayed, r)
	dropped = q.dropListLocked(dropped, l, &l.aside, r)
	dropped = q.dropListLocked(dropped, l, &l.waitingForDone, r)
	for c := range l.ready {
		dropped = q.dropListLocked(dropped, l, &l.ready[c], r)
	}
	q.openAllLocked(l)
	if l.turn.List != nil {
		l.turn.Leave()
	}
	if q.shut {
		q.workers.Broadcast() // there may be nothing left to wait for
	}
	return dropped
}

func (q *Queue[T, K]) dropListLocked(dropped []K, l *lane[T, K], entries *list.List[*entry[T, K]], r dropReason) []K {
	for entries.N > 0 {
		e := entries.Head.Self
		dropped = append(dropped, e.key)
		switch {
		case e.delayed():
			q.undelayLocked(e)
		case e.aside():
			q.unasideLocked(e)
		default:
			q.leaveLocked(e)
			l.bytes[classOf(e.priority)] -= int64(e.size)
		}
		q.discardLocked(&e.item)
		e.item = *new(T)
		l.drop(r, 1)
		q.releaseLocked(e)
	}
	return dropped
}
