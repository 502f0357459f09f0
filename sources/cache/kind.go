package cache

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime/debug"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	ctrlcache "sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/fairlead-dev/fairlead/internal/retry"
)

// Kind is a source of the events of one kind of object, in every member of the
// fleet, now and later. The object says which kind and how it is cached: a
// typed object, or an Unstructured or PartialObjectMetadata whose apiVersion
// and kind are set.
//
// Its Start returns at once: a controller starts whatever the state of any
// member, and each member joins in when it can. From Start on a member is live
// only when the source has joined it: Fleet.WaitLive waits for that. What a new
// member's first list holds comes with low priority, behind what is going on in
// the fleet.
//
// Requests may be of any type. With queue.Request a controller is on a fair
// queue (sources.Caches.FairRequests). With reconcile.Request it may be any
// controller, also one of the builder's, whose own objects requests name then:
//
//	builder.ControllerManagedBy(mgr).For(&v1.Check{}).
//		WatchesRawSource(cache.Kind(fleet, &corev1.ConfigMap{}, handler))
//
// Such requests do not tell clusters apart, so there is no fairness among them.
func Kind[object client.Object, request comparable](
	f *Fleet,
	obj object,
	h Handler[object, request],
	predicates ...predicate.TypedPredicate[object],
) source.TypedSource[request] {
	return &kind[object, request]{fleet: f, obj: obj, handler: h, predicates: predicates}
}

type kind[object client.Object, request comparable] struct {
	fleet      *Fleet
	obj        object
	handler    Handler[object, request]
	predicates []predicate.TypedPredicate[object]
}

// String tells what the source is about, for the controller's log.
func (k *kind[object, request]) String() string {
	if k.lacksObject() { // it cannot be asked what it is of; Start fails
		return fmt.Sprintf("fleet kind source: %T", k.obj)
	}
	switch any(k.obj).(type) {
	case runtime.Unstructured, *metav1.PartialObjectMetadata:
		return fmt.Sprintf("fleet kind source: %T[%s]", k.obj, k.obj.GetObjectKind().GroupVersionKind())
	}
	return fmt.Sprintf("fleet kind source: %T", k.obj)
}

// lacksObject tells whether the object is nil, as of an interface or a pointer.
func (k *kind[object, request]) lacksObject() bool {
	v := reflect.ValueOf(k.obj)
	return !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil()
}

// Start engages all members until ctx ends. It returns at once. It fails if the
// source is incomplete, or if the fleet's scheme does not know the object's
// type.
func (k *kind[object, request]) Start(ctx context.Context, queue workqueue.TypedRateLimitingInterface[request]) error {
	if k.fleet == nil || k.handler == nil || k.lacksObject() {
		return errors.New("cache.Kind needs a fleet, an object and a handler")
	}
	if _, err := apiutil.GVKForObject(k.obj, k.fleet.scheme); err != nil {
		return fmt.Errorf("cache.Kind of %T: %w", k.obj, err)
	}
	name := fmt.Sprintf("%T", k.obj)
	if gvk := k.obj.GetObjectKind().GroupVersionKind(); !gvk.Empty() {
		name = kindKey{gvk, flavorOf(k.obj)}.String()
	}
	e := &engagement[object, request]{kind: k, name: name, queue: queue, until: ctx.Done(), base: func() (context.Context, context.CancelFunc) {
		return context.WithCancel(ctx)
	}}
	k.fleet.enlist(e, queue)
	context.AfterFunc(ctx, func() { k.fleet.dismiss(e, queue) })
	return nil
}

// enlist lets a source engage every member, now and later.
func (f *Fleet) enlist(e engager, queue any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r, ok := queue.(remover); ok {
		f.queues[r]++
	}
	f.engagers[e] = struct{}{}
	for _, m := range f.members {
		m.begin(e)
	}
}

func (f *Fleet) dismiss(e engager, queue any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.engagers, e)
	if r, ok := queue.(remover); ok {
		if f.queues[r]--; f.queues[r] == 0 {
			delete(f.queues, r)
		}
	}
}

// engagement is a kind that was started.
type engagement[object client.Object, request comparable] struct {
	kind  *kind[object, request]
	name  string
	queue workqueue.TypedRateLimitingInterface[request]
	until <-chan struct{}
	base  func() (context.Context, context.CancelFunc) // the controller's ctx
}

func (e *engagement[object, request]) label() *string { return &e.name }

// engage feeds the queue with the events of one member until ctx ends, or the
// controller's.
func (e *engagement[object, request]) engage(member context.Context, m *cached) {
	ctx, cancel := e.base()
	defer cancel()
	defer context.AfterFunc(member, cancel)()

	informer, h := e.join(ctx, m)
	if informer == nil {
		m.clearBlocked(&e.name)
		return
	}
	registration, err := informer.AddEventHandlerWithOptions(&events[object, request]{
		base:       e.base,
		member:     member.Done(),
		handler:    h,
		predicates: e.kind.predicates,
		queue:      e.queue,
		log:        m.fleet.o.Log.WithValues("cluster", m.name),
	}, toolscache.HandlerOptions{Logger: &m.fleet.o.Log})
	m.clearBlocked(&e.name)
	if err != nil {
		return // the informer has ended, and so has the member
	}
	<-ctx.Done()
	// An error says that it was removed before.
	_ = informer.RemoveEventHandler(registration)
}

// join returns the member's informer for the kind and the handler of its
// events, as soon as the member can tell what both need to know. It returns nil
// when ctx ends.
func (e *engagement[object, request]) join(ctx context.Context, m *cached) (ctrlcache.Informer, handler.TypedEventHandler[object, request]) {
	delays := retry.NewBackOff(time.Second, retryMax)
	for ctx.Err() == nil {
		link := m.conn.Link()
		informer, err := e.find(ctx, m)
		if err == nil { // so the member was reached: handlers may ask it
			var h handler.TypedEventHandler[object, request]
			if h, err = e.handle(m); err == nil {
				return informer, h
			}
		}
		if panicked, ok := errors.AsType[*panicError](err); ok {
			why := shown(err, link.Session, m.conn.Link().Session)
			m.fleet.o.Log.Error(errors.New(why), "The handler of a source cannot be made", "cluster", m.name, "source", e.name, "stack", panicked.stack)
			m.setBlocked(&e.name, why)
			<-ctx.Done() // it would not go better a second time
			return nil, nil
		}
		if errors.Is(err, ErrClusterUnavailable) && link.Session == nil {
			select { // not its own fault, and nothing to try before this
			case <-link.Changed:
			case <-ctx.Done():
			}
			continue
		}
		// It may have been sent with a session that has begun meanwhile.
		why := shown(err, link.Session, m.conn.Link().Session)
		if meta.IsNoMatchError(err) {
			why += ", which the cluster does not serve: if it is a custom resource, install its definition there"
		}
		m.setBlocked(&e.name, why)
		pause := time.NewTimer(delays.NextBackOff())
		var changed <-chan struct{}
		if link.Session != nil {
			changed = link.Session.Changed
		}
		select {
		case <-pause.C:
		case <-changed:
		case <-ctx.Done():
		}
		pause.Stop()
	}
	return nil, nil
}

// panicError is what the Handler of a source has panicked with.
type panicError struct {
	value any
	stack string
}

func (p *panicError) Error() string { return fmt.Sprintf("its handler panicked: %v", p.value) }

// handle makes the handler of the member's events. A Handler that panics must
// not end the process whenever a member joins.
func (e *engagement[object, request]) handle(m *cached) (h handler.TypedEventHandler[object, request], err error) {
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		h = nil
		if later, ok := v.(unresolved); ok {
			err = later
			return
		}
		err = &panicError{v, string(debug.Stack())}
	}()
	if h = e.kind.handler(m.name, m.cluster); h == nil {
		panic("no handler")
	}
	return h, nil
}

func (e *engagement[object, request]) find(ctx context.Context, m *cached) (ctrlcache.Informer, error) {
	gvk, err := apiutil.GVKForObject(e.kind.obj, m.scheme)
	if err != nil {
		return nil, err
	}
	// First, because the cache holds a lock while it asks, that reads need.
	if _, err := m.cluster.GetRESTMapper().RESTMapping(gvk.GroupKind(), gvk.Version); err != nil {
		return nil, err
	}
	return m.cluster.GetCache().GetInformer(ctx, e.kind.obj, ctrlcache.BlockUntilSynced(false))
}
