package list

// List is a doubly linked list whose links are part of its elements, so that
// moving an element between lists allocates nothing and leaving one needs no
// search.
type List[E any] struct {
	Head, Tail *Node[E]
	N          int
}

// Node is an element's place in at most one list at a time.
type Node[E any] struct {
	// What prev says of the head is stale: so the head leaves without a write
	// to the one behind it, which in a long list is in no cache.
	prev, Next *Node[E]
	List       *List[E] // nil while in none
	Self       E        // the element; set once
}

func (l *List[E]) PushBack(N *Node[E]) {
	N.List, N.prev = l, l.Tail
	if l.N == 0 {
		l.Head = N
	} else {
		l.Tail.Next = N
	}
	l.Tail = N
	l.N++
}

// Leave takes n out of the list it is in.
func (N *Node[E]) Leave() {
	l := N.List
	switch {
	case l.N == 1:
		l.Head, l.Tail = nil, nil
	case l.Head == N:
		l.Head = N.Next
	case l.Tail == N:
		l.Tail = N.prev
		l.Tail.Next = nil
	default:
		N.prev.Next = N.Next
		N.Next.prev = N.prev
	}
	N.prev, N.Next, N.List = nil, nil, nil
	l.N--
}
