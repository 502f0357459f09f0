package main

import (
	"context"
	"fmt"
	"os"

	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/fairlead-dev/fairlead/locks"
	"github.com/fairlead-dev/fairlead/locks/clusters"
	"github.com/fairlead-dev/fairlead/locks/consul"
	"github.com/fairlead-dev/fairlead/locks/etcd"
	"github.com/fairlead-dev/fairlead/locks/lease"
	"github.com/fairlead-dev/fairlead/locks/mysql"
	"github.com/fairlead-dev/fairlead/locks/postgres"
)

// kinds are the locks that --leader-elect-lock can name. Leave out what you do not use.
var kinds = []locks.Kind{lease.Kind(), clusters.Kind(), etcd.Kind(), consul.Kind(), postgres.Kind(), mysql.Kind()}

// openLock returns the lock that a text names, and what tells the term in which this
// process holds it.
func openLock(ctx context.Context, hub *rest.Config, text string) (lock resourcelock.Interface, term func() uint64, err error) {
	spec, err := locks.Parse(kinds, text)
	if err != nil {
		return nil, nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, nil, err
	}
	lock, err = spec.Open(ctx, locks.Env{
		Identity: host + "_" + string(uuid.NewUUID()), // a Pod is started again under its name
		Hub:      hub, UserAgent: "propagate", Log: ctrl.Log,
	})
	if err != nil {
		return nil, nil, err
	}
	fenced, ok := lock.(locks.Fenced)
	if !ok {
		return nil, nil, fmt.Errorf("%s numbers no terms, so that a late write could not be told", lock.Describe())
	}
	return lock, fenced.Token, nil
}
