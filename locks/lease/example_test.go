package lease_test

import (
	"fmt"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/fairlead-dev/fairlead/locks/lease"
)

// newManager makes a manager that leads while it holds the Lease default/controller of
// the hub. The identity is one that no other process has had.
func newManager(hub *rest.Config, identity string, o manager.Options) (manager.Manager, error) {
	lock, err := lease.New(hub, lease.Options{Namespace: "default", Name: "controller", Identity: identity})
	if err != nil {
		return nil, err
	}
	o.LeaderElection = true
	o.LeaderElectionResourceLockInterface = lock
	o.LeaderElectionReleaseOnCancel = true // another process need not wait for the Lease to expire
	return manager.New(hub, o)
}

// The lock of a controller's own manager.
func ExampleNew() {
	mgr, err := newManager(&rest.Config{Host: "https://hub.example"}, "controller-0_7d1e", manager.Options{})
	fmt.Println(mgr != nil, err)
}
