package etcd_test

import (
	"fmt"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/fairlead-dev/fairlead/locks/etcd"
)

// newManager makes a manager that leads while it holds the key controllers/one. The
// identity is one that no other process has had.
func newManager(hub *rest.Config, identity string, o manager.Options) (manager.Manager, error) {
	lock, err := etcd.New(etcd.Options{
		Endpoints: []string{"http://etcd-0.example:2379", "http://etcd-1.example:2379", "http://etcd-2.example:2379"},
		Key:       "controllers/one", Identity: identity,
	})
	if err != nil {
		return nil, err
	}
	o.LeaderElection = true
	o.LeaderElectionResourceLockInterface = lock
	o.LeaderElectionReleaseOnCancel = true // another process need not wait for the record to expire
	return manager.New(hub, o)
}

// The lock of a controller's own manager.
func ExampleNew() {
	mgr, err := newManager(&rest.Config{Host: "https://hub.example"}, "controller-0_7d1e", manager.Options{})
	fmt.Println(mgr != nil, err)
}
