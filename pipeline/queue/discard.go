package queue

// discardLocked notes that an item will not be handed out. Options.Discard
// is told by unlock.
func (q *Queue[T, K]) discardLocked(item *T) {
	if q.o.Discard != nil {
		q.gone = append(q.gone, *item)
	}
}

// unlock gives the queue's lock back, and then tells of what has been discarded
// under it, and of the cluster that has left. Whoever may have let go of an item
// ends with it.
func (q *Queue[T, K]) unlock() {
	if left := q.left; left != "" {
		q.left = ""
		defer q.o.Left(left)
	}
	gone := q.gone
	if len(gone) == 0 {
		q.mu.Unlock()
		return
	}
	if len(gone) > 1 {
		q.gone = nil
		q.mu.Unlock()
		for _, item := range gone {
			q.o.Discard(item)
		}
		return
	}
	item := gone[0]
	gone[0] = *new(T)
	q.gone = gone[:0] // so that one by one costs no allocation
	q.mu.Unlock()
	q.o.Discard(item)
}
