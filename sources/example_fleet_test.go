package sources_test

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/fairlead-dev/fairlead/pipeline/queue"
	"github.com/fairlead-dev/fairlead/ratelimit"
	"github.com/fairlead-dev/fairlead/sources"
	"github.com/fairlead-dev/fairlead/sources/cache"
)

// setUp adds a controller of the ConfigMaps of all members to a manager of the hub.
func setUp(mgr manager.Manager) (*sources.Caches, error) {
	caches, err := sources.NewCaches(sources.CachesOptions{Log: mgr.GetLogger()})
	if err != nil {
		return nil, err
	}
	// The members are those that Secrets in namespace fleet of the hub describe, and the hub itself.
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
			// Reads go on while a member is down. Writes fail with cache.ErrClusterUnavailable; return it, and the request is
			// tried again.
			if err := member.Get(ctx, req.NamespacedName, &cm); err != nil {
				return reconcile.Result{}, client.IgnoreNotFound(err)
			}
			mgr.GetLogger().Info("A ConfigMap has changed", "cluster", req.Cluster, "name", cm.Name, "version", cm.ResourceVersion)
			return reconcile.Result{}, nil
		}),
	})
	if err != nil {
		return nil, err
	}
	return caches, c.Watch(cache.Kind(caches.Fleet, &corev1.ConfigMap{}, cache.EnqueueRequestForObject))
}

// A controller over the hub and every member, which Secrets in the hub describe.
// Where something else knows the members, it tells caches: caches.Set and
// caches.Remove; then it is mgr.Add(caches) and caches.Include instead.
func ExampleNewCaches() {
	var mgr manager.Manager // of the hub
	if _, err := setUp(mgr); err != nil {
		fmt.Println(err)
	}
}
