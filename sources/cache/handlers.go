package cache

import (
	"context"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/cluster"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/fairlead-dev/fairlead/pipeline/queue"
)

// Handler makes the event handler for the objects of one member: name is the
// member's in the fleet, c its cluster. It is called once for every member and
// source, and must not block. If it panics, the source stays without events of
// that member, whose status and the log tell why.
type Handler[object client.Object, request comparable] func(name string, c cluster.Cluster) handler.TypedEventHandler[object, request]

// EnqueueRequestForObject is a Handler that asks for the object itself:
//
//	cache.Kind(fleet, &corev1.ConfigMap{}, cache.EnqueueRequestForObject)
func EnqueueRequestForObject[object client.Object](name string, _ cluster.Cluster) handler.TypedEventHandler[object, queue.Request] {
	return inCluster(name, handler.TypedEventHandler[object, reconcile.Request](&handler.TypedEnqueueRequestForObject[object]{}))
}

// EnqueueRequestForOwner returns a Handler that asks for the owners of the
// object that are of the owner's type, in the same cluster. Its options are
// controller-runtime's, such as handler.OnlyControllerOwner. Whether the owner is
// namespaced is asked once, before the first event of a member: until it has
// told, the source waits for it. So the owner's kind must be served by every
// member. To create the handler panics if the scheme does not know the owner's
// type, as controller-runtime's does, or if the member does not answer.
func EnqueueRequestForOwner[object client.Object](owner client.Object, opts ...handler.OwnerOption) Handler[object, queue.Request] {
	return func(name string, c cluster.Cluster) handler.TypedEventHandler[object, queue.Request] {
		mapper, err := ownerMapper(c, owner)
		if err != nil {
			panic(err)
		}
		return inCluster(name, handler.TypedEnqueueRequestForOwner[object](c.GetScheme(), mapper, owner, opts...))
	}
}

// EnqueueRequestsFromMapFunc returns a Handler that asks for what fn returns,
// for the old and the new state of an object, each request once. fn is told
// the member's name; it may ask for objects of other clusters.
func EnqueueRequestsFromMapFunc[object client.Object, request comparable](
	fn func(ctx context.Context, cluster string, obj object) []request,
) Handler[object, request] {
	return func(name string, _ cluster.Cluster) handler.TypedEventHandler[object, request] {
		return handler.TypedEnqueueRequestsFromMapFunc(func(ctx context.Context, obj object) []request {
			return fn(ctx, name, obj)
		})
	}
}

// Requests makes a Handler of an ordinary event handler, which knows nothing
// of clusters: its requests become those of the member.
func Requests[object client.Object](h handler.TypedEventHandler[object, reconcile.Request]) Handler[object, queue.Request] {
	return func(name string, _ cluster.Cluster) handler.TypedEventHandler[object, queue.Request] {
		return inCluster(name, h)
	}
}

// inCluster lets a handler add to a queue for many clusters. Priorities come
// through: what it wraps a priority queue into is one too, and TypedFuncs gives
// the low priority to what is added without one for a first list or an
// unchanged object.
func inCluster[object client.Object](name string, h handler.TypedEventHandler[object, reconcile.Request]) handler.TypedEventHandler[object, queue.Request] {
	wrap := func(q workqueue.TypedRateLimitingInterface[queue.Request]) workqueue.TypedRateLimitingInterface[reconcile.Request] {
		plain := clusterQueue{name, q}
		if p, ok := q.(priorityqueue.PriorityQueue[queue.Request]); ok {
			return clusterPriorityQueue{plain, p}
		}
		return plain
	}
	return handler.TypedFuncs[object, queue.Request]{
		CreateFunc: func(ctx context.Context, e event.TypedCreateEvent[object], q workqueue.TypedRateLimitingInterface[queue.Request]) {
			h.Create(ctx, e, wrap(q))
		},
		UpdateFunc: func(ctx context.Context, e event.TypedUpdateEvent[object], q workqueue.TypedRateLimitingInterface[queue.Request]) {
			h.Update(ctx, e, wrap(q))
		},
		DeleteFunc: func(ctx context.Context, e event.TypedDeleteEvent[object], q workqueue.TypedRateLimitingInterface[queue.Request]) {
			h.Delete(ctx, e, wrap(q))
		},
		GenericFunc: func(ctx context.Context, e event.TypedGenericEvent[object], q workqueue.TypedRateLimitingInterface[queue.Request]) {
			h.Generic(ctx, e, wrap(q))
		},
	}
}
