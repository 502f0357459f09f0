// Command propagate copies ConfigMaps of a hub to a fleet: see README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/cluster"
	"sigs.k8s.io/controller-runtime/pkg/controller"

	"github.com/fairlead-dev/fairlead/pipeline/queue"
	"github.com/fairlead-dev/fairlead/ratelimit"
	"github.com/fairlead-dev/fairlead/sources"
	"github.com/fairlead-dev/fairlead/sources/cache"
)

func main() {
	elect := flag.Bool("leader-elect", false, "run several replicas, of which one works")
	lockText := flag.String("leader-elect-lock", "lease:propagate/fairlead-propagate", "what the replicas elect with, as of fairlead run")
	flag.Parse() // controller-runtime's --kubeconfig, of the hub, too; arguments say where members are described
	ctrl.SetLogger(logr.FromSlogHandler(slog.NewTextHandler(os.Stderr, nil)))
	if err := start(ctrl.SetupSignalHandler(), ctrl.GetConfigOrDie(), *elect, *lockText); err != nil {
		ctrl.Log.Error(err, "Ended")
		os.Exit(1)
	}
}

func start(ctx context.Context, hub *rest.Config, elect bool, lockText string) (err error) {
	term := func() uint64 { return 0 } // of a process that always works alone
	o := ctrl.Options{LeaderElection: elect}
	if elect {
		if o.LeaderElectionResourceLockInterface, term, err = openLock(ctx, hub, lockText); err != nil {
			return err
		}
		if c, ok := o.LeaderElectionResourceLockInterface.(io.Closer); ok {
			defer func() { err = errors.Join(err, c.Close()) }()
		}
	}
	mgr, err := ctrl.NewManager(hub, o)
	if err != nil {
		return err
	}
	return run(ctx, mgr, term, flag.Args(), sources.CachesOptions{
		Cache: cache.Config{CallTimeout: 10 * time.Second}, // a member that hangs is given up before its API server would
		Log:   ctrl.Log,
	})
}

// run works until ctx ends.
func run(ctx context.Context, mgr ctrl.Manager, term func() uint64, clusters []string, o sources.CachesOptions) error {
	var identity corev1.Namespace // by which our copies are told from another hub's
	if err := mgr.GetAPIReader().Get(ctx, client.ObjectKey{Name: "kube-system"}, &identity); err != nil {
		return err
	}
	o.Cluster = append(o.Cluster, func(o *cluster.Options) { // of a member keep nothing but our copies
		o.Cache.DefaultLabelSelector = labels.SelectorFromSet(labels.Set{labelHub: string(identity.UID)})
	})
	caches, err := sources.NewCaches(o)
	if err != nil {
		return err
	}
	r := &reconciler{hub: mgr.GetClient(), live: mgr.GetAPIReader(), uid: string(identity.UID), term: term, fleet: caches.Fleet}
	c, err := controller.NewTyped("propagate", mgr, controller.TypedOptions[queue.Request]{
		Reconciler:              r,
		MaxConcurrentReconciles: 16, // of which a member that hangs can hold 4
		NewQueue: caches.FairRequests(ratelimit.Limit{QPS: 20, Burst: 100}, 4, func(q *queue.Queue[queue.Request, queue.Request]) {
			r.queue = q
			q.SetLimit(hubName, ratelimit.Limit{}) // serves all
		}),
	})
	if err != nil {
		return err
	}
	if err := errors.Join(
		caches.AddToManager(mgr, hubName, clusters),
		c.Watch(cache.Kind(caches.Fleet, &corev1.ConfigMap{}, cache.EnqueueRequestsFromMapFunc(changed))),
		c.Watch(cache.Members(caches.Fleet, r.memberChanged)),
	); err != nil {
		return err
	}
	return mgr.Start(ctx)
}
