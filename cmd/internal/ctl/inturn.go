package ctl

import (
	"errors"
	"fmt"
	"sync"
)

// mostAtOnce is how many clusters are asked for at once: a program may have to ask each of them in
// turn, and one that hangs takes up to a minute.
const mostAtOnce = 16

// inTurn asks for each name, for at most mostAtOnce at once, and has take deal with the answers in
// the order of the names, by the goroutine that calls it. Once take returns false, nothing more is
// asked for; what is under way then is taken too. It returns how many names were asked for, which
// are the first ones.
func inTurn[T any](names []string, ask func(name string) T, take func(name string, answer T) (goOn bool)) (asked int) {
	answers := make([]chan T, len(names))
	for i := range answers {
		answers[i] = make(chan T, 1)
	}
	var mu sync.Mutex
	next, most := 0, len(names)
	begin := func() (i int, ok bool) {
		mu.Lock()
		defer mu.Unlock()
		if next >= most {
			return 0, false
		}
		next++
		return next - 1, true
	}
	var workers sync.WaitGroup
	defer workers.Wait()
	for range min(mostAtOnce, len(names)) {
		workers.Go(func() {
			for i, ok := begin(); ok; i, ok = begin() {
				answers[i] <- ask(names[i])
			}
		})
	}
	asked = len(names)
	for i := 0; i < asked; i++ {
		if !take(names[i], <-answers[i]) {
			mu.Lock()
			most = next
			mu.Unlock()
			asked = most
		}
	}
	return asked
}

// silence counts how many answers in a row were none, of those of several clusters. A program may
// answer late because of one cluster; if it answers for none, it is gone.
type silence struct{ inRow int }

// goOn takes in how one was answered, and reports whether the program is worth to be asked for more.
func (s *silence) goOn(err error) bool {
	if _, unreachable := errors.AsType[*unreachableError](err); unreachable {
		s.inRow++
	} else {
		s.inRow = 0
	}
	return s.inRow < mostAtOnce
}

// unasked is the error of the names that inTurn has not asked for; nil: there are none.
func unasked(names []string, asked int) error {
	if asked == len(names) {
		return nil
	}
	return fmt.Errorf("%d clusters were not asked for, from %s on", len(names)-asked, Printable(names[asked]))
}
