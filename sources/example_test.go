package sources_test

import (
	"context"
	"errors"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/fairlead-dev/fairlead/pipeline/queue"
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
		c, err := controller.NewTyped("configmaps", mgr, controller.TypedOptions[queue.Request]{
			NewQueue:                caches.FairRequests(ratelimit.Limit{QPS: 20}, 2, nil),
			MaxConcurrentReconciles: 8,
			Reconciler: reconcile.TypedFunc[queue.Request](func(ctx context.Context, req queue.Request) (reconcile.Result, error) {
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

// An ordinary controller of the builder's, for objects of the hub: it looks at one
// again when something of the same name changes in any member. Its requests do not
// tell clusters apart, so its queue is controller-runtime's own.
func ExampleCaches_requeueOfTheHubsObject() {
	setUp := func(mgr manager.Manager, caches *sources.Caches) error {
		mapped := func(_ context.Context, _ string, cm *corev1.ConfigMap) []reconcile.Request {
			return []reconcile.Request{{NamespacedName: client.ObjectKeyFromObject(cm)}}
		}
		// What becomes of members themselves: all that the hub has is looked at again.
		all := func(ctx context.Context, s cache.Status) (requests []reconcile.Request) {
			if s.State != cache.Live && s.State != cache.Gone {
				return nil
			}
			var list corev1.ConfigMapList
			if err := mgr.GetClient().List(ctx, &list); err != nil {
				mgr.GetLogger().Error(err, "Cannot list what a member has to do with", "cluster", s.Cluster)
				return nil
			}
			for _, cm := range list.Items {
				requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&cm)})
			}
			return requests
		}
		return builder.ControllerManagedBy(mgr).
			For(&corev1.ConfigMap{}).
			WatchesRawSource(cache.Kind(caches.Fleet, &corev1.ConfigMap{}, cache.EnqueueRequestsFromMapFunc(mapped))).
			WatchesRawSource(cache.Members(caches.Fleet, all)).
			Complete(reconcile.Func(func(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
				for _, name := range caches.Clusters() {
					member, err := caches.Client(name)
					if err != nil {
						continue // it has just left
					}
					var cm corev1.ConfigMap
					if err := member.Get(ctx, req.NamespacedName, &cm); client.IgnoreNotFound(err) != nil {
						return reconcile.Result{}, err
					}
				}
				return reconcile.Result{}, nil
			}))
	}
	_ = setUp
}
