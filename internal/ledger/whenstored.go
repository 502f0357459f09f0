package ledger

// mostAwaited bounds for how many objects of a cursor somebody waits until their records
// are stored. While the store fails nothing is handed over, so that no more come by then.
const mostAwaited = 1024

// awaited holds what is called once the record of an object is stored; nil while nobody
// waits, which is always so for a program that traces nothing.
type awaited map[name][]func()

// theHead stands for the cursor's head among the names of objects: none is empty.
const theHead name = ""

// whenStoredLocked has the functions called once the store has the record of an object, or
// the head, as it is now: each once, by the goroutine that stores, without a lock. They must
// not block. They are never called if the cursor is dropped before that or the program ends,
// and of an object if mostAwaited are awaited. Without a store the record is in memory, and
// they are called at once, with the cursor's lock.
func (c *Cursor) whenStoredLocked(n name, functions []func()) {
	switch {
	case len(functions) == 0:
	case c.writer == nil:
		for _, f := range functions {
			f()
		}
	case len(c.awaited) < mostAwaited || n == theHead:
		if c.awaited == nil {
			c.awaited = awaited{}
		}
		c.awaited[n] = append(c.awaited[n], functions...)
	}
}

// takeAwaitedLocked takes out what awaits the records, or the head, that a transaction has;
// nil: nothing does. What is awaited later is of a later transaction.
func (c *Cursor) takeAwaitedLocked(names []name, head bool) awaited {
	if len(c.awaited) == 0 {
		return nil
	}
	taken := awaited{}
	take := func(n name) {
		if functions, ok := c.awaited[n]; ok {
			taken[n] = functions
			delete(c.awaited, n)
		}
	}
	for _, n := range names {
		take(n)
	}
	if head {
		take(theHead)
	}
	if len(c.awaited) == 0 {
		c.awaited = nil
	}
	return taken
}

// awaitAgainLocked gives back what a transaction has taken that was not stored.
func (c *Cursor) awaitAgainLocked(taken awaited) {
	for n, functions := range taken {
		c.whenStoredLocked(n, functions)
	}
}

// call calls all.
func (a awaited) call() {
	for _, functions := range a {
		for _, f := range functions {
			f()
		}
	}
}
