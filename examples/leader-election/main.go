// Command leader-election is a pattern to copy: a manager of controller-runtime that
// leads while it holds a lock of its user's choice, and knows its term.
package main

import (
	"context"
	"flag"
	"io"
	"log/slog"
	"os"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/fairlead-dev/fairlead/locks"
	"github.com/fairlead-dev/fairlead/locks/clusters"
	"github.com/fairlead-dev/fairlead/locks/consul"
	"github.com/fairlead-dev/fairlead/locks/etcd"
	"github.com/fairlead-dev/fairlead/locks/lease"
	"github.com/fairlead-dev/fairlead/locks/mysql"
	"github.com/fairlead-dev/fairlead/locks/postgres"
)

// kinds are the locks that the flag can name. Leave out what you do not use.
var kinds = []locks.Kind{lease.Kind(), clusters.Kind(), etcd.Kind(), consul.Kind(), postgres.Kind(), mysql.Kind()}

func main() {
	text := flag.String("leader-elect-lock", "lease:default/leader-election", "what the replicas elect with")
	flag.Parse()
	ctrl.SetLogger(logr.FromSlogHandler(slog.NewTextHandler(os.Stderr, nil)))
	if err := run(ctrl.SetupSignalHandler(), ctrl.GetConfigOrDie(), *text, ctrl.Options{}, work); err != nil {
		ctrl.Log.Error(err, "Ended")
		os.Exit(1)
	}
}

// work is what the leader does in its term: put your controllers here.
func work(ctx context.Context, term uint64) error {
	ctrl.Log.Info("Leads", "term", term) // give it to what you write to, and have that refuse a lower one
	<-ctx.Done()
	return nil
}

// run works until ctx ends or the lock is lost, while this process leads.
func run(ctx context.Context, hub *rest.Config, text string, o ctrl.Options, work func(ctx context.Context, term uint64) error) error {
	lock, err := open(ctx, hub, text)
	if err != nil {
		return err
	}
	if c, ok := lock.(io.Closer); ok {
		defer func() { _ = c.Close() }()
	}
	o.LeaderElection, o.LeaderElectionResourceLockInterface, o.LeaderElectionReleaseOnCancel = true, lock, true
	mgr, err := ctrl.NewManager(hub, o)
	if err != nil {
		return err
	}
	if err := mgr.Add(manager.RunnableFunc(func(ctx context.Context) error { return work(ctx, term(lock)) })); err != nil {
		return err
	}
	return mgr.Start(ctx)
}

// open returns the lock that a text names.
func open(ctx context.Context, hub *rest.Config, text string) (resourcelock.Interface, error) {
	spec, err := locks.Parse(kinds, text)
	if err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	return spec.Open(ctx, locks.Env{Identity: host + "_" + string(uuid.NewUUID()), Hub: hub}) // a Pod is started again under its name
}

// term returns the fencing token of this process, 0 for a lock that has none.
func term(lock resourcelock.Interface) uint64 {
	if f, ok := lock.(locks.Fenced); ok {
		return f.Token()
	}
	return 0
}
