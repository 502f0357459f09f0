package fairleadtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/fairlead-dev/fairlead/internal/loopback"
)

// StartStandby starts a second API server on the cluster's etcd, with its credentials, and
// returns when it is ready: a control plane that is highly available has several. It listens
// on an address of its own, to which nothing leads before FailOver. What ends the servers
// ends it too, and Start does not start it again. While there is one, StartStandby does
// nothing.
func (c *Cluster) StartStandby(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := c.startStandby(ctx); err != nil {
		return fmt.Errorf("start a standby of cluster %s: %w", c.name, err)
	}
	return nil
}

func (c *Cluster) startStandby(ctx context.Context) (err error) {
	if !c.etcd.Running() {
		return errors.New("the cluster is down")
	}
	if c.standbyPort == nil {
		port, err := loopback.Reserve()
		if err != nil {
			return err
		}
		c.mu.Lock()
		c.standbyPort = port
		c.mu.Unlock()
	}
	if c.standby, err = c.startServer(c.standby, "kube-apiserver", c.apiServerFlags(c.standbyPort)); err != nil {
		return err
	}
	return c.waitForAPIServer(ctx, c.standby, urlOf(c.standbyPort))
}

// FailOver kills the API server with SIGKILL, and has the standby take its place, without
// which it fails: URL and Config have the standby's address from then on, and the cluster's
// proxies lead to it. Connections end, and the address of before refuses new ones. Credentials
// stay, so that a client that comes by a proxy notices no more than that.
func (c *Cluster) FailOver() error {
	if !c.standby.Running() {
		return fmt.Errorf("fail cluster %s over: it has no standby that runs; call StartStandby", c.name)
	}
	if err := c.apiServer.Kill(); err != nil {
		return fmt.Errorf("fail cluster %s over: %w", c.name, err)
	}
	c.apiServer, c.standby = c.standby, nil
	c.mu.Lock()
	defer c.mu.Unlock()
	c.port, c.standbyPort = c.standbyPort, c.port
	at, err := url.Parse(urlOf(c.port))
	if err != nil {
		return err
	}
	for _, p := range c.proxies {
		p.line.Lead(at.Host)
	}
	return nil
}
