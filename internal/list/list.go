// Package list is a linked list whose links are part of its elements. It is not safe
// for concurrent use.
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

// PushBack puts n, which is in no list, at the end.
func (l *List[E]) PushBack(n *Node[E]) {
	n.List, n.prev = l, l.Tail
	if l.N == 0 {
		l.Head = n
	} else {
		l.Tail.Next = n
	}
	l.Tail = n
	l.N++
}

// Leave takes n out of the list it is in.
func (n *Node[E]) Leave() {
	l := n.List
	switch {
	case l.N == 1:
		l.Head, l.Tail = nil, nil
	case l.Head == n:
		l.Head = n.Next
	case l.Tail == n:
		l.Tail = n.prev
		l.Tail.Next = nil
	default:
		n.prev.Next = n.Next
		n.Next.prev = n.prev
	}
	n.prev, n.Next, n.List = nil, nil, nil
	l.N--
}
