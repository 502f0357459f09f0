package app

import (
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// fanOut is several destinations as one. A change is accepted when all have it, and
// refused once all have told of it and one has refused it: then it goes to all of
// them again.
type fanOut []pipeline.Destination

// Deliver hands changes to all at the same time.
func (f fanOut) Deliver(ctx context.Context, tell func(i int, refused error), changes ...*pipeline.Change) error {
	type news struct {
		index   int
		refused error
	}
	heard := make(chan news)
	var group errgroup.Group // not with a context: one that ends does not end the others
	for _, to := range f {
		group.Go(func() error {
			return to.Deliver(ctx, func(i int, refused error) { heard <- news{i, refused} }, changes...)
		})
	}
	ended := make(chan error, 1)
	go func() {
		err := group.Wait()
		close(heard)
		ended <- err
	}()
	lacking, reasons := make([]int, len(changes)), make([]error, len(changes))
	for n := range heard {
		if reasons[n.index] == nil {
			reasons[n.index] = n.refused
		}
		if lacking[n.index]++; lacking[n.index] == len(f) {
			tell(n.index, reasons[n.index])
		}
	}
	return <-ended
}
