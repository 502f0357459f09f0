package testenv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/internal/child"
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
	// Name is the cluster's and its context's name in kubeconfigs. Letters,
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
	port   *port
	ca     *authority
	admin  keyPair

	etcd, apiServer *child.Process
	proxies         []*Proxy
}

// newCluster prepares a cluster in dir and starts nothing.
func newCluster(assets, dir string, spec Spec) (_ *Cluster, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of cluster %s: %w", spec.Name, err)
	}
	c := &Cluster{name: spec.Name, spec: spec, assets: assets, dir: dir}
	if c.ca, err = newAuthority(spec.Name); err != nil {
		return nil, err
	}
	if c.admin, err = c.ca.client("admin", []string{"system:masters"}); err != nil {
		return nil, err
	}
	if err := c.writeCredentials(); err != nil {
		return nil, err
	}
	c.port, err = reservePort()
	return c, err
}

// writeCredentials puts what the API server reads at its start into files.
func (c *Cluster) writeCredentials() error {
	serving, err := c.ca.server()
	if err != nil {
		return err
	}
	serviceAccounts, err := newKey()
	if err != nil {
		return err
	}
	serviceAccountsPEM, err := encodeKey(serviceAccounts)
	if err != nil {
		return err
	}
	for name, content := range map[string][]byte{
		caFile:          c.ca.certPEM,
		servingCertFile: serving.cert,
		servingKeyFile:  serving.key,
		serviceKeyFile:  serviceAccountsPEM,
	} {
		if err := os.WriteFile(filepath.Join(c.dir, name), content, 0o600); err != nil {
			return fmt.Errorf("write the credentials of cluster %s: %w", c.name, err)
		}
	}
	return nil
}

// Name returns the cluster's name.
func (c *Cluster) Name() string { return c.name }

// URL returns the API server's address. It is the same after every Start.
func (c *Cluster) URL() string {
	return "https://127.0.0.1:" + strconv.Itoa(c.port.number)
}

// Config returns a new client configuration: an administrator's, without limits
// on the client's side.
func (c *Cluster) Config() *rest.Config {
	return c.config(c.admin)
}

// User returns a new client configuration for someone who is in no group but the
// given ones, and so may do what RBAC objects in the cluster say: nothing, at
// first.
func (c *Cluster) User(name string, groups ...string) (*rest.Config, error) {
	credentials, err := c.ca.client(name, groups)
	if err != nil {
		return nil, err
	}
	return c.config(credentials), nil
}

func (c *Cluster) config(credentials keyPair) *rest.Config {
	return &rest.Config{
		Host: c.URL(),
		TLSClientConfig: rest.TLSClientConfig{
			CAData:   c.ca.certPEM,
			CertData: credentials.cert,
			KeyData:  credentials.key,
		},
		QPS: -1,
	}
}

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
	if c.apiServer, err = c.startServer(c.apiServer, "kube-apiserver", c.apiServerFlags()); err != nil {
		return err
	}
	return c.waitForAPIServer(ctx)
}

// Stop ends the servers: connections break and new ones are refused. The data
// and the address stay, for Start.
func (c *Cluster) Stop() error { return c.stop(stopGrace) }

// Kill is Stop without asking: the servers get no chance to end anything well.
func (c *Cluster) Kill() error { return c.stop(0) }

func (c *Cluster) stop(grace time.Duration) error {
	if err := errors.Join(end(c.apiServer, grace), end(c.etcd, grace)); err != nil {
		return fmt.Errorf("stop cluster %s: %w", c.name, err)
	}
	return nil
}

// Restart is Stop and Start. The API server's watch cache begins anew, so that a
// watch from before then depends on what etcd still holds.
func (c *Cluster) Restart(ctx context.Context) error {
	if err := c.Stop(); err != nil {
		return err
	}
	return c.Start(ctx)
}

// Pause freezes the API server: connections stay open and new ones are accepted
// by the kernel, but nothing answers.
func (c *Cluster) Pause() error { return pause(c.apiServer) }

// Resume ends Pause.
func (c *Cluster) Resume() error { return c.apiServer.Signal(syscall.SIGCONT) }

// Close kills the servers, closes the cluster's proxies, and removes its data.
func (c *Cluster) Close() error {
	errs := []error{c.Kill()}
	for _, proxy := range c.proxies {
		errs = append(errs, proxy.Close())
	}
	c.proxies = nil
	if c.port != nil {
		errs = append(errs, c.port.release())
	}
	errs = append(errs, os.RemoveAll(c.dir))
	return errors.Join(errs...)
}
