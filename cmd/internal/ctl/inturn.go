package ctl

import (
	"context"
	"sync"
)

// mostAtOnce is how many clusters are asked for at once: a program may have to ask each of them in
// turn, and one that hangs takes up to a minute.
const mostAtOnce = 16

// inTurn asks for each name, for at most mostAtOnce at once, and has take deal with the answers in
// the order of the names, by the goroutine that calls it. Once ask or take returns false for goOn,
// or ctx ends, nothing more is asked for; what is under way then is taken too. It returns how many
// names were asked for, which are the first ones.
func inTurn[T any](ctx context.Context, names []string, ask func(name string) (answer T, goOn bool), take func(name string, answer T) (goOn bool)) (asked int) {
	answers := make([]chan T, len(names)) // those of names that are not asked for are closed
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
	cut := func() {
		mu.Lock()
		defer mu.Unlock()
		for ; most > next; most-- {
			close(answers[most-1])
		}
	}
	var workers sync.WaitGroup
	defer workers.Wait()
	for range min(mostAtOnce, len(names)) {
		workers.Go(func() {
			for i, ok := begin(); ok; i, ok = begin() {
				answer, goOn := ask(names[i])
				if !goOn || ctx.Err() != nil {
					cut()
				}
				answers[i] <- answer
			}
		})
	}
	for i, name := range names {
		answer, ok := <-answers[i]
		if !ok {
			break
		}
		asked++
		if !take(name, answer) {
			cut()
		}
	}
	return asked
}
