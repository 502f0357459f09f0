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
	prev, next *node[E]
	list       *list[E] // nil while in none
	self       E        // the element; set once
}

func (l *list[E]) pushBack(n *node[E]) {
	n.list, n.prev, n.next = l, l.tail, nil
	if l.tail == nil {
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
	if n.prev == nil {
		l.head = n.next
	} else {
		n.prev.next = n.next
	}
	if n.next == nil {
		l.tail = n.prev
	} else {
		n.next.prev = n.prev
	}
	n.prev, n.next, n.list = nil, nil, nil
	l.n--
}
