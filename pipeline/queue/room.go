package queue

// What waits and what is delayed counts in its lane by number and bytes; what is
// in work counts by bytes until Done. So a worker that hangs, and a change that is
// refused again and again, take room in their own lane only.

// held is the bytes that count in a lane.
func (l *lane[T, K]) held() int64 { return l.bytes[live] + l.bytes[snapshot] }

// countLocked lets e, that is about to wait or to be delayed, count in its lane.
func (q *Queue[T, K]) countLocked(e *entry[T, K]) {
	c := classOf(e.priority)
	e.lane.depth[c]++
	q.chargeLocked(e.lane, c, e.size)
}

// chargeLocked counts n bytes more in a lane, or fewer if it is negative.
func (q *Queue[T, K]) chargeLocked(l *lane[T, K], c class, n int) {
	l.bytes[c] += int64(n)
	if q.o.MaxBytes > 0 && n != 0 {
		q.bookLocked(l, int64(n))
	}
}

// verdict says whether an item has room, and where.
type verdict int

const (
	laneFull  verdict = iota // no: its lane has to give some first
	short                    // not now: all lanes together hold too much
	fitsShare                // yes, in what the lanes have in common
	fitsOwn                  // yes, in what is the lane's own
)

// fitsLocked says whether an item has room in the lane of its entry: in the
// place of one that waits or is delayed, or beside the others.
func (q *Queue[T, K]) fitsLocked(e *entry[T, K], priority, size int) verdict {
	if e.present() {
		return q.fitsInPlaceLocked(e, classOf(max(priority, e.priority)), size)
	}
	return q.fitsBesideLocked(e.lane, classOf(priority), size)
}

// fitsBesideLocked says whether one more item of a class has room in a lane. One
// always has where there is nothing at all, and one of the snapshot class where
// there is none of its class.
func (q *Queue[T, K]) fitsBesideLocked(l *lane[T, K], c class, size int) verdict {
	n, held := l.depth[live]+l.depth[snapshot], l.held()
	if (n > 0 || held > 0) && (n >= q.o.LaneCapacity || held+int64(size) > q.o.LaneBytes) {
		return laneFull
	}
	if n, held := l.depth[snapshot], l.bytes[snapshot]; c == snapshot && (n > 0 || held > 0) {
		// Three quarters, written so that the largest of numbers has them too.
		if n >= q.o.LaneCapacity/4*3+q.o.LaneCapacity%4*3/4 || held+int64(size) > q.o.LaneBytes/4*3 {
			return laneFull
		}
	}
	return q.affordsLocked(l, 0, size)
}

// fitsInPlaceLocked says whether e's item may be replaced by one of another
// size: one that is no larger always, else as far as there is room.
func (q *Queue[T, K]) fitsInPlaceLocked(e *entry[T, K], c class, size int) verdict {
	l, growth := e.lane, int64(size-e.size)
	if growth <= 0 {
		return fitsOwn
	}
	n, held := l.depth[live]+l.depth[snapshot], l.held()
	if (n > 1 || held > int64(e.size)) && held+growth > q.o.LaneBytes {
		return laneFull
	}
	if n, held := l.depth[snapshot], l.bytes[snapshot]; c == snapshot && (n > 1 || held > int64(e.size)) && held+growth > q.o.LaneBytes/4*3 {
		return laneFull
	}
	return q.affordsLocked(l, e.size, size)
}
