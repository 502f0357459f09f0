package probe

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"
)

// AtOnce is how many members are asked at the same time.
const AtOnce = 64

// Bounds in time: of one question, from its own start, and of all to one member. A member that is
// followed for much is asked as often, as fast as its limit allows. A check that takes a minute
// at most has the answers of the others although one hangs.
const (
	Timeout       = 10 * time.Second
	MemberTimeout = 30 * time.Second
)

// questionsAtOnce is how many questions about rights one member is asked at the same time.
const questionsAtOnce = 8

// Each calls ask with 0 to n-1, some at once, each with a context that ends after timeout,
// and returns when all have. Those that have not begun when ctx ends are not called.
func Each(ctx context.Context, n int, timeout time.Duration, ask func(ctx context.Context, i int)) {
	var g errgroup.Group
	g.SetLimit(AtOnce)
	for i := range n {
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, timeout)
			defer cancel()
			ask(ctx, i)
			return nil
		})
	}
	_ = g.Wait() // none fails
}

// inParallel calls ask with 0 to n-1, some at once, each with a context of its own that ends after
// Timeout, and returns their answers. After an error those that have not begun are not called.
func inParallel[T any](ctx context.Context, n int, ask func(ctx context.Context, i int) (T, error)) ([]T, error) {
	all := make([]T, n)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(questionsAtOnce)
	for i := range n {
		g.Go(func() (err error) {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			ctx, cancel := context.WithTimeout(ctx, Timeout)
			defer cancel()
			all[i], err = ask(ctx, i)
			return err
		})
	}
	return all, g.Wait()
}
