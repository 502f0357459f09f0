package fairleadtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/util/validation"
)

// Env is a set of clusters that live and end together.
type Env struct {
	// Clusters are those of the specs, in their order.
	Clusters []*Cluster

	dir string
}

// HubAndMembers returns the specs of a cluster named hub and of n more, named
// member-1 to member-n.
func HubAndMembers(n int) []Spec {
	specs := []Spec{{Name: "hub"}}
	for i := range n {
		specs = append(specs, Spec{Name: "member-" + strconv.Itoa(i+1)})
	}
	return specs
}

// New starts a cluster per spec, all at once, and returns when all are ready.
// ctx bounds the start only; each cluster may take two minutes. The error is, or
// wraps, ErrNoControlPlane where there are no servers to start. After an error
// nothing runs; after success the caller ends everything with Close.
func New(ctx context.Context, specs ...Spec) (_ *Env, err error) {
	if err := checkNames(specs); err != nil {
		return nil, err
	}
	assets, err := Find()
	if err != nil {
		return nil, err
	}
	// Not below a test's own directory: sockets need short paths.
	dir, err := os.MkdirTemp("", "fairlead-")
	if err != nil {
		return nil, fmt.Errorf("make a directory for the clusters: %w", err)
	}
	env := &Env{dir: dir}
	defer func() {
		if err != nil {
			err = errors.Join(err, env.Close())
		}
	}()
	for i, spec := range specs {
		cluster, err := newCluster(assets, filepath.Join(dir, strconv.Itoa(i)), spec)
		if err != nil {
			return nil, err
		}
		env.Clusters = append(env.Clusters, cluster)
	}
	start, startCtx := errgroup.WithContext(ctx)
	for _, cluster := range env.Clusters {
		if !cluster.spec.Down {
			start.Go(func() error { return cluster.Start(startCtx) })
		}
	}
	if err := start.Wait(); err != nil {
		return nil, err
	}
	return env, nil
}

// checkNames returns what is wrong with the names of clusters: they are also those of
// contexts and of etcd members.
func checkNames(specs []Spec) error {
	seen := map[string]bool{}
	for _, spec := range specs {
		if wrong := validation.IsDNS1123Label(spec.Name); len(wrong) > 0 {
			return fmt.Errorf("the name %q of a test cluster: %s", spec.Name, wrong[0])
		}
		if seen[spec.Name] {
			return fmt.Errorf("two test clusters have the name %q", spec.Name)
		}
		seen[spec.Name] = true
	}
	return nil
}

// Cluster returns the cluster of that name, or nil.
func (e *Env) Cluster(name string) *Cluster {
	for _, cluster := range e.Clusters {
		if cluster.name == name {
			return cluster
		}
	}
	return nil
}

// Close ends all clusters and their proxies and removes their data.
func (e *Env) Close() error {
	errs := make([]error, len(e.Clusters))
	var closing sync.WaitGroup
	for i, cluster := range e.Clusters {
		closing.Go(func() { errs[i] = cluster.Close() })
	}
	closing.Wait()
	return errors.Join(errors.Join(errs...), os.RemoveAll(e.dir))
}
