package queue

// What waits and what is delayed counts in its lane by number and bytes; what is
// in work counts by bytes until Done. So a worker that hangs, and a change that is
// refused again and again, take room in their own lane only.

// held is the bytes that count in a lane.
func (l *lane[T, K]) held() int64 { return l.bytes[live] + l.bytes[snapshot] }

// countLocked lets e, that is about to wait or to be delayed, count in its lane.
func (e *entry[T, K]) countLocked() {
	c := classOf(e.priority)
	e.lane.depth[c]++
	e.lane.bytes[c] += int64(e.size)
}

// countSizeLocked counts that e, that waits, is delayed or stands aside, has grown by so many
// bytes.
func (e *entry[T, K]) countSizeLocked(growth int) {
	if e.aside() {
		e.lane.asideBytes += int64(growth)
	} else {
		e.lane.bytes[classOf(e.priority)] += int64(growth)
	}
}

// fitsLocked reports whether an item has room in the lane of its entry: in the
// place of one that waits or is delayed, or beside the others.
func (q *Queue[T, K]) fitsLocked(e *entry[T, K], priority, size int) bool {
	if e.present() {
		return q.fitsInPlaceLocked(e, classOf(max(priority, e.priority)), size)
	}
	return q.fitsBesideLocked(e.lane, classOf(priority), size)
}

// fitsBesideLocked reports whether one more item of a class has room in a lane. One
// always has where there is nothing at all, and one of the snapshot class where
// there is none of its class.
func (q *Queue[T, K]) fitsBesideLocked(l *lane[T, K], c class, size int) bool {
	n, held := l.depth[live]+l.depth[snapshot], l.held()
	if (n > 0 || held > 0) && (n >= q.o.LaneCapacity || held+int64(size) > q.o.LaneBytes) {
		return false
	}
	if n, held := l.depth[snapshot], l.bytes[snapshot]; c == snapshot && (n > 0 || held > 0) {
		// Three quarters, written so that the largest of numbers has them too.
		return n < q.o.LaneCapacity/4*3+q.o.LaneCapacity%4*3/4 && held+int64(size) <= q.o.LaneBytes/4*3
	}
	return true
}

// fitsInPlaceLocked reports whether e's item may be replaced by one of another
// size: one that is no larger always, else as far as there is room.
func (q *Queue[T, K]) fitsInPlaceLocked(e *entry[T, K], c class, size int) bool {
	l, growth := e.lane, int64(size-e.size)
	if growth <= 0 || e.aside() {
		return true
	}
	n, held := l.depth[live]+l.depth[snapshot], l.held()
	if (n > 1 || held > int64(e.size)) && held+growth > q.o.LaneBytes {
		return false
	}
	n, held = l.depth[snapshot], l.bytes[snapshot]
	return c != snapshot || n <= 1 && held <= int64(e.size) || held+growth <= q.o.LaneBytes/4*3
}

// admitLocked lets in those that are blocked at a lane, as far as there is room.
// Call it after anything that made room, once the entry at hand is settled.
func (q *Queue[T, K]) admitLocked(l *lane[T, K]) {
	for o := q.nextOfferLocked(l); o != nil && q.fitsOfferLocked(o); o = q.nextOfferLocked(l) {
		if l.offers[live].N > 0 && l.offers[snapshot].N > 0 {
			l.bothBlocked++
		}
		q.admitGroupLocked(o.entry)
	}
	if l.rooms.N > 0 && l.offers[live].N == 0 && q.fitsBesideLocked(l, live, 1) {
		l.tellRooms(nil)
	}
}
