package cache

import (
	"context"
	"fmt"

	"github.com/go-logr/logr"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
)

// events hands what an informer tells to a handler. The informer calls one
// method at a time.
type events[object client.Object, request comparable] struct {
	base       func() (context.Context, context.CancelFunc)
	member     <-chan struct{} // closed when the member leaves: nothing is added any more
	handler    handler.TypedEventHandler[object, request]
	predicates []predicate.TypedPredicate[object]
	queue      workqueue.TypedRateLimitingInterface[request]
	log        logr.Logger
}

var _ toolscache.ResourceEventHandler = (*events[client.Object, int])(nil)

// OnAdd tells of an object that is new to the cache.
func (e *events[object, request]) OnAdd(obj any, isInInitialList bool) {
	o, ok := e.object(obj)
	if !ok {
		return
	}
	c := event.TypedCreateEvent[object]{Object: o, IsInInitialList: isInInitialList}
	for _, p := range e.predicates {
		if !p.Create(c) {
			return
		}
	}
	ctx, cancel := e.base()
	defer cancel()
	e.handler.Create(ctx, c, e.queue)
}

// OnUpdate tells of an object's next state.
func (e *events[object, request]) OnUpdate(before, after any) {
	old, ok := e.object(before)
	if !ok {
		return
	}
	now, ok := e.object(after)
	if !ok {
		return
	}
	u := event.TypedUpdateEvent[object]{ObjectOld: old, ObjectNew: now}
	for _, p := range e.predicates {
		if !p.Update(u) {
			return
		}
	}
	ctx, cancel := e.base()
	defer cancel()
	e.handler.Update(ctx, u, e.queue)
}

// OnDelete tells of an object that is gone; its last state may not be known.
func (e *events[object, request]) OnDelete(obj any) {
	d := event.TypedDeleteEvent[object]{}
	if missed, ok := obj.(toolscache.DeletedFinalStateUnknown); ok {
		d.DeleteStateUnknown, obj = true, missed.Obj
	}
	o, ok := e.object(obj)
	if !ok {
		return
	}
	d.Object = o
	for _, p := range e.predicates {
		if !p.Delete(d) {
			return
		}
	}
	ctx, cancel := e.base()
	defer cancel()
	e.handler.Delete(ctx, d, e.queue)
}

func (e *events[object, request]) object(obj any) (object, bool) {
	select {
	case <-e.member:
		return *new(object), false
	default:
	}
	o, ok := obj.(object)
	if !ok {
		e.log.Error(nil, "An informer told of an object of another type", "type", fmt.Sprintf("%T", obj), "want", fmt.Sprintf("%T", *new(object)))
	}
	return o, ok
}
