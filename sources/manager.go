package sources

import (
	"errors"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/fairlead-dev/fairlead/sources/fleet"
)

// AddToManager has a manager run the caches, and a fleet that tells them who
// the members are: clusters are values as of fleet.Parse, such as
// "secrets:NAMESPACE" or "kubeconfig:FILE". Secrets and ClusterProfiles are read
// from the manager's own cluster, the hub.
//
// If hub is not empty, that cluster is in the fleet too, under this name, with the
// manager's own cache: sources tell of its objects, requests name it, and
// Client(hub) is the manager's client. It is there for good, and needs no
// description; see cache.Fleet.Include. If hub is empty, only those are in the
// fleet that clusters describe.
//
// Call it once, before the manager starts.
func (c *Caches) AddToManager(mgr manager.Manager, hub string, clusters []string) error {
	providers, err := fleet.Parse(clusters)
	if err != nil {
		return err
	}
	f := fleet.New(fleet.Options{Providers: providers, Hub: mgr.GetConfig(), Handler: c, Log: c.o.Log, Registerer: c.o.Registerer})
	if err := f.Check(); err != nil {
		return err
	}
	if hub != "" {
		if err := c.Include(hub, mgr); err != nil {
			return err
		}
	}
	if err := errors.Join(mgr.Add(c), mgr.Add(f)); err != nil {
		return fmt.Errorf("add the fleet to the manager: %w", err)
	}
	c.mu.Lock()
	c.described = f
	c.mu.Unlock()
	return nil
}

// Problems tells what describes members and cannot be used, of the fleet that
// AddToManager made; nil before that.
func (c *Caches) Problems() []fleet.Problem {
	c.mu.Lock()
	f := c.described
	c.mu.Unlock()
	if f == nil {
		return nil
	}
	return f.Problems()
}
