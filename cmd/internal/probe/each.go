package probe

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"
)

// AtOnce is how many members are asked at the same time.
const AtOnce = 64

// Timeout bounds the questions to one member.
const Timeout = 10 * time.Second

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
