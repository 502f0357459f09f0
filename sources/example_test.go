package sources_test

import (
	"context"
	"errors"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/ratelimit"
	"github.com/fairlead-dev/fairlead/sources"
	"github.com/fairlead-dev/fairlead/sources/cache"
)

// A controller over the hub and every member, which Secrets in the hub describe.
// Where something else knows the members, it tells caches: caches.Set and
// caches.Remove; then it is mgr.Add(caches) and caches.Include instead.
func ExampleNewCaches() {
	setUp := func(mgr manager.Manager) (*sources.Caches, error) {
		caches, err := sources.NewCaches(sources.CachesOptions{Log: mgr.GetLogger()})
		if err != nil {
			return nil, err
		}
		if err := caches.AddToManager(mgr, "hub", []string{"secrets:fleet"}); err != nil {
			return nil, err
		}
		c, err := controller.NewTyped("configmaps", mgr, controller.TypedOptions[pipeline.Request]{
			NewQueue:                caches.FairRequests(ratelimit.Limit{QPS: 20}, 2, nil),
			MaxConcurrentReconciles: 8,
			Reconciler: reconcile.TypedFunc[pipeline.Request](func(ctx context.Context, req pipeline.Request) (reconcile.Result, error) {
				member, err := caches.Client(req.Cluster)
				if errors.Is(err, cache.ErrClusterGone) {
					return reconcile.Result{}, nil
				} else if err != nil {
					return reconcile.Result{}, err
				}
				var cm corev1.ConfigMap
				// Reads go on while a member is down; writes fail with
				// cache.ErrClusterUnavailable, which is tried again.
				return reconcile.Result{}, member.Get(ctx, req.NamespacedName, &cm)
			}),
		})
		if err != nil {
			return nil, err
		}
		return caches, c.Watch(cache.Kind(caches.Fleet, &corev1.ConfigMap{}, cache.EnqueueRequestForObject))
	}
	_ = setUp
}
