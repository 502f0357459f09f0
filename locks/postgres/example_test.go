package postgres_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"os"
	"strings"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/fairlead-dev/fairlead/locks/postgres"
)

// newManager makes a manager that leads while it holds the record "controller" in a
// database of two servers, of which one takes writes. The identity is one that no other
// process has had. The lock is to be closed once the manager has ended.
func newManager(hub *rest.Config, identity string, o manager.Options) (manager.Manager, func() error, error) {
	lock, err := postgres.New(postgres.Options{
		Hosts: []string{"db-1.example", "db-2.example"}, Database: "controllers", User: "controller",
		Password: func(context.Context) (string, error) {
			text, err := os.ReadFile("/etc/controller/password")
			return strings.TrimSpace(string(text)), err
		},
		TLS:  func(host string) (*tls.Config, error) { return &tls.Config{ServerName: host}, nil },
		Name: "controller", Identity: identity,
	})
	if err != nil {
		return nil, nil, err
	}
	o.LeaderElection = true
	o.LeaderElectionResourceLockInterface = lock
	o.LeaderElectionReleaseOnCancel = true // another process need not wait
	mgr, err := manager.New(hub, o)
	return mgr, lock.Close, err
}

// The lock of a controller's own manager.
func ExampleNew() {
	mgr, closeLock, err := newManager(&rest.Config{Host: "https://hub.example"}, "controller-0_7d1e", manager.Options{})
	fmt.Println(mgr != nil, err)
	fmt.Println(closeLock())
}
