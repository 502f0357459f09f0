package cache

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/fairlead-dev/fairlead/pipeline/queue"
)

type testQueue = workqueue.TypedRateLimitingInterface[queue.Request]

func newQueue() *queue.Queue[queue.Request, queue.Request] {
	return queue.New(queue.Options[queue.Request, queue.Request]{
		Cluster:  func(r queue.Request) string { return r.Cluster },
		Identity: func(r queue.Request) queue.Request { return r },
	})
}

func configMap(name, version string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, ResourceVersion: version}}
}

func feed(h Handler[*corev1.ConfigMap, queue.Request], q testQueue, p ...predicate.TypedPredicate[*corev1.ConfigMap]) *events[*corev1.ConfigMap, queue.Request] {
	return &events[*corev1.ConfigMap, queue.Request]{
		base:       func() (context.Context, context.CancelFunc) { return context.WithCancel(context.Background()) },
		handler:    h("a", nil),
		predicates: p,
		queue:      q,
	}
}

// TestPriorities: whatever the handler, what is not news goes behind what is,
// and a priority that a handler gives comes through.
func TestPriorities(t *testing.T) {
	add := func(o *corev1.ConfigMap, q workqueue.TypedRateLimitingInterface[reconcile.Request]) {
		q.Add(reconcile.Request{NamespacedName: types.NamespacedName{Name: o.Name}})
	}
	plain := handler.TypedFuncs[*corev1.ConfigMap, reconcile.Request]{
		CreateFunc: func(_ context.Context, e event.TypedCreateEvent[*corev1.ConfigMap], q workqueue.TypedRateLimitingInterface[reconcile.Request]) {
			add(e.Object, q)
		},
		UpdateFunc: func(_ context.Context, e event.TypedUpdateEvent[*corev1.ConfigMap], q workqueue.TypedRateLimitingInterface[reconcile.Request]) {
			add(e.ObjectNew, q)
		},
		DeleteFunc: func(_ context.Context, e event.TypedDeleteEvent[*corev1.ConfigMap], q workqueue.TypedRateLimitingInterface[reconcile.Request]) {
			add(e.Object, q)
		},
	}
	explicit := handler.TypedFuncs[*corev1.ConfigMap, reconcile.Request]{
		CreateFunc: func(_ context.Context, e event.TypedCreateEvent[*corev1.ConfigMap], q workqueue.TypedRateLimitingInterface[reconcile.Request]) {
			q.(priorityqueue.PriorityQueue[reconcile.Request]).AddWithOpts(priorityqueue.AddOpts{Priority: new(7)},
				reconcile.Request{NamespacedName: types.NamespacedName{Name: e.Object.Name}})
		},
	}
	all := map[string]int{"initial": handler.LowPriority, "created": 0, "updated": 0, "same": handler.LowPriority, "deleted": 0, "missed": 0}
	for _, test := range []struct {
		name string
		h    Handler[*corev1.ConfigMap, queue.Request]
		want map[string]int
	}{
		{"object", EnqueueRequestForObject[*corev1.ConfigMap], all},
		{"map", EnqueueRequestsFromMapFunc(func(_ context.Context, cluster string, o *corev1.ConfigMap) []queue.Request {
			return []queue.Request{{Cluster: cluster, NamespacedName: types.NamespacedName{Name: o.Name}}}
		}), all},
		{"plain", Requests(handler.TypedEventHandler[*corev1.ConfigMap, reconcile.Request](plain)), all},
		{"explicit", Requests(handler.TypedEventHandler[*corev1.ConfigMap, reconcile.Request](explicit)), map[string]int{"initial": 7, "created": 7}},
	} {
		t.Run(test.name, func(t *testing.T) {
			q := newQueue()
			e := feed(test.h, q)
			e.OnAdd(configMap("initial", "1"), true)
			e.OnAdd(configMap("created", "1"), false)
			e.OnUpdate(configMap("updated", "1"), configMap("updated", "2"))
			e.OnUpdate(configMap("same", "1"), configMap("same", "1"))
			e.OnDelete(configMap("deleted", "1"))
			e.OnDelete(toolscache.DeletedFinalStateUnknown{Obj: configMap("missed", "1")})
			got := map[string]int{}
			for q.Len() > 0 {
				r, priority, _ := q.GetWithPriority()
				if r.Cluster != "a" {
					t.Errorf("request %v", r)
				}
				got[r.Name] = priority
				q.Done(r)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("priorities (-want +got):\n%s", diff)
			}
		})
	}
}

// TestEvents: predicates keep out what they do, nothing comes of objects of
// another type, nor after the member has left.
func TestEvents(t *testing.T) {
	q := newQueue()
	e := feed(EnqueueRequestForObject[*corev1.ConfigMap], q, predicate.NewTypedPredicateFuncs(func(o *corev1.ConfigMap) bool { return o.Name != "no" }))
	e.OnAdd(configMap("no", "1"), false)
	e.OnUpdate(configMap("no", "1"), configMap("no", "2"))
	e.OnDelete(configMap("no", "2"))
	e.OnAdd(&corev1.Secret{}, false)
	e.OnUpdate(configMap("x", "1"), &corev1.Secret{})
	e.OnDelete(toolscache.DeletedFinalStateUnknown{Obj: &corev1.Secret{}})
	left := make(chan struct{})
	e.member = left
	close(left)
	e.OnAdd(configMap("x", "1"), false)
	if q.Len() != 0 {
		r, _ := q.Get()
		t.Errorf("request %v", r)
	}
}

// TestPlainQueue: a queue without priorities gets the same requests.
func TestPlainQueue(t *testing.T) {
	q := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[queue.Request]())
	defer q.ShutDown()
	feed(EnqueueRequestForObject[*corev1.ConfigMap], q).OnAdd(configMap("x", "1"), true)
	if r, _ := q.Get(); r.Cluster != "a" || r.Name != "x" {
		t.Errorf("request %v", r)
	}
}
