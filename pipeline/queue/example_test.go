package queue_test

import (
	"cmp"
	"context"
	"fmt"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
	"github.com/fairlead-dev/fairlead/ratelimit"
)

func ExampleQueue() {
	q := queue.New(queue.Options[*pipeline.Change, pipeline.Key]{
		Cluster:  func(c *pipeline.Change) string { return c.Key.Cluster },
		Identity: func(c *pipeline.Change) pipeline.Key { return c.Key },
		Size:     (*pipeline.Change).Size,
	})
	offer := func(cluster, name, version string) {
		c := &pipeline.Change{
			Key:             pipeline.Key{Cluster: cluster, Resource: "pods", Namespace: "default", Name: name},
			ResourceVersion: version,
		}
		if err := q.Offer(context.Background(), c, 0); err != nil {
			fmt.Println(err)
		}
	}
	// One cluster floods, and changes one object twice.
	offer("noisy", "a", "1")
	offer("noisy", "b", "2")
	offer("noisy", "c", "3")
	offer("noisy", "b", "4")
	offer("quiet", "z", "1")

	q.ShutDown() // as of client-go's queue, workers still get what waits
	for {
		c, shutdown := q.Get()
		if shutdown {
			return
		}
		fmt.Println(c.Key, "at version", c.ResourceVersion)
		q.Done(c)
	}
	// Output:
	// noisy/pods/default/a at version 1
	// quiet/pods/default/z at version 1
	// noisy/pods/default/b at version 4
	// noisy/pods/default/c at version 3
}

type fairQueue = queue.Queue[queue.Request, queue.Request]

// fairly returns the options of a controller over many clusters. Each cluster may start
// 20 requests per second, and at most 2 of its requests are reconciled at once: one whose
// API server hangs leaves 6 of the workers to the others.
func fairly(r reconcile.TypedReconciler[queue.Request], onCreate func(*fairQueue)) controller.TypedOptions[queue.Request] {
	return controller.TypedOptions[queue.Request]{
		Reconciler:              r,
		NewQueue:                queue.FairRequests(ratelimit.New(ratelimit.Limit{QPS: 20}), 2, onCreate),
		MaxConcurrentReconciles: 8,
	}
}

// A controller over a whole fleet, in which none waits for another's requests.
func ExampleFairRequests() {
	ctx, cancel := context.WithCancel(context.Background())
	reconciler := reconcile.TypedFunc[queue.Request](func(_ context.Context, r queue.Request) (reconcile.Result, error) {
		fmt.Println("reconcile", r)
		cancel()
		return reconcile.Result{}, nil
	})
	var made *fairQueue
	options := fairly(reconciler, func(q *fairQueue) {
		made = q // for RemoveCluster, SetLimit, metrics
		q.Add(queue.Request{
			Cluster:        "blue",
			NamespacedName: types.NamespacedName{Namespace: "default", Name: "x"},
		})
	})
	options.Logger = logr.Discard()
	c, err := controller.NewTypedUnmanaged("example", options)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := c.Start(ctx); err != nil {
		fmt.Println(err)
	}
	for _, lane := range made.Lanes() {
		fmt.Println(lane.Cluster, "handed out", lane.HandedOut)
	}
	// Output:
	// reconcile blue/default/x
	// blue handed out 1
}

// A controller that exists already, over the clusters that another library knows:
// New is the one line that it needs. Its requests stay what they are; they
// only have to be comparable, and a function says which cluster each is about.
// When it ends it begins nothing of what still waits.
func ExampleFair() {
	type request struct { // whatever the controller has
		reconcile.Request
		ClusterName string
	}
	ctx, cancel := context.WithCancel(context.Background())
	options := controller.TypedOptions[request]{
		Reconciler: reconcile.TypedFunc[request](func(_ context.Context, r request) (reconcile.Result, error) {
			fmt.Println("reconcile", r.Name, "of", cmp.Or(r.ClusterName, "the hub"))
			if r.Name == "c" {
				cancel()
			}
			return reconcile.Result{}, nil
		}),
		Logger: logr.Discard(),
	}
	options.NewQueue = queue.Fair(queue.Options[request, request]{Cluster: func(r request) string { return r.ClusterName }}, nil)

	c, err := controller.NewTypedUnmanaged("existing", options)
	if err != nil {
		fmt.Println(err)
		return
	}
	ask := func(cluster, name string) request {
		return request{reconcile.Request{NamespacedName: types.NamespacedName{Name: name}}, cluster}
	}
	if err := c.Watch(source.TypedFunc[request](func(_ context.Context, q workqueue.TypedRateLimitingInterface[request]) error {
		// The hub, whose cluster has no name here, is a lane like the others.
		for _, r := range []request{ask("noisy", "a"), ask("noisy", "b"), ask("noisy", "c"), ask("quiet", "x"), ask("", "own")} {
			q.Add(r)
		}
		return nil
	})); err != nil {
		fmt.Println(err)
	}
	if err := c.Start(ctx); err != nil {
		fmt.Println(err)
	}
	// Output:
	// reconcile a of noisy
	// reconcile x of quiet
	// reconcile own of the hub
	// reconcile b of noisy
	// reconcile c of noisy
}
