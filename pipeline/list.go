package pipeline

// list is a doubly linked list whose links are part of its elements, so that
// moving an element between lists allocates nothing and leaving one needs no
// search.
type list[E any] struct {
	head, tail *node[E]
	n          int
}

// node is an element's place in at most one list at a time.
type node[E any] struct {
	// What prev says of the head is stale: so the head leaves without a write
	// to the one behind it, which in a long list is in no cache.
	prev, next *node[E]
	list       *list[E] // nil while in none
	self       E        // the element; set once
}

func (l *list[E]) pushBack(n *node[E]) {
	n.list, n.prev = l, l.tail
	if l.n == 0 {
		l.head = n
	} else {
		l.tail.next = n
	}
	l.tail = n
	l.n++
}

// leave takes n out of the list it is in.
func (n *node[E]) leave() {
	l := n.list
	switch {
	case l.n == 1:
		l.head, l.tail = nil, nil
	case l.head == n:
		l.head = n.next
	case l.tail == n:
		l.tail = n.prev
		l.tail.next = nil
	default:
		n.prev.next = n.next
		n.next.prev = n.prev
	}
	n.prev, n.next, n.list = nil, nil, nil
	l.n--
}
