package queue

import (
	"context"
	"fmt"

	"github.com/fairlead-dev/fairlead/internal/list"
)

// room is who stands blocked in WaitRoom.
type room struct {
	place list.Node[*room] // in its lane's rooms
	done  chan struct{}    // closed once there is room, or never will be; err is set before
	err   error
}

// WaitRoom returns nil once the lane of a cluster could take a small item of the
// live class: an Offer, which would be admitted after those that are blocked,
// would not block. It reserves nothing, so whoever comes first has the room. It
// returns an error that wraps ctx.Err() if ctx ends before; ErrClusterRemoved or
// ErrShuttingDown. If there is room at once ctx is not looked at.
func (q *Queue[T, K]) WaitRoom(ctx context.Context, cluster string) error {
	q.mu.Lock()
	l := q.lanes[cluster]
	switch {
	case q.shut:
		q.mu.Unlock()
		return ErrShuttingDown
	case l == nil:
		q.mu.Unlock()
		return nil // a lane that is made for it has room
	case l.leaving:
		q.mu.Unlock()
		return ErrClusterRemoved
	}
	r := &room{done: make(chan struct{})}
	r.place.Self = r
	l.rooms.PushBack(&r.place)
	q.admitLocked(l)
	if l.rooms.N > 0 {
		q.reclaimLocked(l, false)
	}
	q.unlock()

	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
	}
	q.mu.Lock()
	defer q.unlock()
	if r.place.List == nil { // decided meanwhile
		return r.err
	}
	r.place.Leave()
	q.admitLocked(l) // it may have had a turn
	if q.o.Known != nil {
		q.forgetLocked(l)
	}
	return fmt.Errorf("wait for room in the lane of cluster %q: %w", cluster, ctx.Err())
}

// tellRooms ends the waiting for room in a lane.
func (l *lane[T, K]) tellRooms(err error) {
	for l.rooms.N > 0 {
		r := l.rooms.Head.Self
		r.place.Leave()
		r.err = err
		close(r.done)
	}
}
