package fairleadtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/fairlead-dev/fairlead/internal/child"
	"github.com/fairlead-dev/fairlead/internal/loopback"
)

const (
	// stopGrace is how long a server may take to end when it is asked to. An API
	// server would wait a minute for requests under way.
	stopGrace = 3 * time.Second

	// startTimeout is generous: several control planes may start at once on a
	// small machine. It applies where ctx has no earlier deadline.
	startTimeout = 2 * time.Minute
)

// Spec says which cluster to start and how. Only Name is needed.
type Spec struct {
	// Name is the name of the cluster, and of its context in kubeconfigs: letters,
	// digits and dashes.
	Name string

	// APIServerFlags and EtcdFlags are added to the servers' command lines, after
	// the package's own, for example --watch-cache=false.
	APIServerFlags []string
	EtcdFlags      []string

	// Down leaves the servers off until Cluster.Start. The cluster has its address
	// and credentials already: a member that is down.
	Down bool
}

// Cluster is one control plane. The package comment says what may be called
// concurrently.
type Cluster struct {
	name   string
	spec   Spec
	assets string // where the programs are
	dir    string // certificates, data, logs, sockets
	issuer string // of tokens of service accounts

	etcd, apiServer *child.Process
	standby         *child.Process // nil, or ended: there is none

	mu          sync.Mutex
	port        *loopback.Port // of apiServer
	standbyPort *loopback.Port // of standby; nil before the first
	credentials credentials
	proxies     []*Proxy
}

// newCluster prepares a cluster in dir and starts nothing.
func newCluster(assets, dir string, spec Spec) (_ *Cluster, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of cluster %s: %w", spec.Name, err)
	}
	c := &Cluster{name: spec.Name, spec: spec, assets: assets, dir: dir}
	if err := c.newCredentials(); err != nil {
		return nil, err
	}
	if c.port, err = loopback.Reserve(); err != nil {
		return nil, err
	}
	c.issuer = c.URL()
	return c, nil
}

// Name returns the cluster's name.
func (c *Cluster) Name() string { return c.name }

// URL returns the API server's address. It is the same after every Start; FailOver changes
// it.
func (c *Cluster) URL() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return urlOf(c.port)
}

func urlOf(port *loopback.Port) string { return "https://127.0.0.1:" + strconv.Itoa(port.Number) }

// Start starts the servers that do not run, on the address and the data they had
// before, and returns when the API server is ready and has made the namespaces
// default and kube-system.
func (c *Cluster) Start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := c.start(ctx); err != nil {
		return fmt.Errorf("start cluster %s: %w", c.name, err)
	}
	return nil
}

func (c *Cluster) start(ctx context.Context) (err error) {
	if c.etcd, err = c.startServer(c.etcd, "etcd", c.etcdFlags()); err != nil {
		return err
	}
	if err := c.waitForEtcd(ctx); err != nil {
		return err
	}
	if c.apiServer, err = c.startServer(c.apiServer, "kube-apiserver", c.apiServerFlags(c.port)); err != nil {
		return err
	}
	return c.waitForAPIServer(ctx, c.apiServer, c.URL())
}

// Stop ends the servers. Connections end and new ones are refused. The data and the
// address stay, for Start.
func (c *Cluster) Stop() error { return c.stop(stopGrace) }

// Kill is Stop by SIGKILL: the servers have no time to finish anything.
func (c *Cluster) Kill() error { return c.stop(0) }

func (c *Cluster) stop(grace time.Duration) error {
	if err := errors.Join(end(c.standby, grace), end(c.apiServer, grace), end(c.etcd, grace)); err != nil {
		return fmt.Errorf("stop cluster %s: %w", c.name, err)
	}
	return nil
}

// Restart is Stop and Start. The API server's watch cache begins empty, so a watch that
// goes on after it needs what etcd still holds.
func (c *Cluster) Restart(ctx context.Context) error {
	if err := c.Stop(); err != nil {
		return err
	}
	return c.Start(ctx)
}

// Pause freezes the API server with SIGSTOP: connections stay open, the kernel accepts
// new ones, and nothing answers.
func (c *Cluster) Pause() error { return c.apiServer.Pause() }

// Resume ends Pause.
func (c *Cluster) Resume() error { return c.apiServer.Resume() }

// forget lets go of a proxy that is closed.
func (c *Cluster) forget(p *Proxy) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.proxies = slices.DeleteFunc(c.proxies, func(other *Proxy) bool { return other == p })
}

// Close kills the servers, closes the cluster's proxies, and removes its data. A
// second Close does nothing.
func (c *Cluster) Close() error {
	errs := []error{c.Kill()}
	c.mu.Lock()
	proxies := c.proxies
	c.proxies = nil
	c.mu.Unlock()
	for _, proxy := range proxies {
		errs = append(errs, proxy.Close())
	}
	for _, port := range []*loopback.Port{c.port, c.standbyPort} {
		if port != nil {
			errs = append(errs, port.Release())
		}
	}
	errs = append(errs, os.RemoveAll(c.dir))
	return errors.Join(errs...)
}
