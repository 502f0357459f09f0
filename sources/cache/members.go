package cache

import (
	"context"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/source"
)

// Members is a source of what becomes of the members themselves: fn is called
// with every status that Fleet.Changes yields, one at a time, and says what to
// ask for. A reconciler that gave up on a member with ErrClusterUnavailable
// hears by it that the member is back. The caches that the controller has
// started may be read in fn.
func Members[request comparable](f *Fleet, fn func(ctx context.Context, s Status) []request) source.TypedSource[request] {
	return source.TypedFunc[request](func(ctx context.Context, queue workqueue.TypedRateLimitingInterface[request]) error {
		go func() {
			for s := range f.Changes(ctx) {
				for _, r := range fn(ctx, s) {
					queue.Add(r)
				}
			}
		}()
		return nil
	})
}
