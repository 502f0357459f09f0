package fairleadtest

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/internal/loopback"
	"github.com/fairlead-dev/fairlead/internal/tcpline"
)

// Proxy is a TCP proxy in front of one cluster: the network between a client and that
// cluster, which can be made to fail. It does not decrypt: a client speaks TLS with the
// API server itself.
//
// A fault applies to all connections through the proxy, in both directions. It lasts
// until Restore or until another fault takes its place. Reset is over at once.
type Proxy struct {
	cluster *Cluster
	listens string         // host and port
	port    *loopback.Port // nil when closed
	line    *tcpline.Line
}

// NewProxy starts a proxy in front of the cluster. It is closed with the cluster,
// if not before.
func (c *Cluster) NewProxy() (_ *Proxy, err error) {
	upstream, err := url.Parse(c.URL())
	if err != nil {
		return nil, err
	}
	p := &Proxy{cluster: c, line: tcpline.New(upstream.Host)}
	if p.port, err = loopback.Reserve(); err != nil {
		return nil, err
	}
	p.listens = "127.0.0.1:" + strconv.Itoa(p.port.Number)
	if err := p.accept(); err != nil {
		return nil, errors.Join(err, p.port.Release())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.proxies = append(c.proxies, p)
	return p, nil
}

// Name returns the cluster's name.
func (p *Proxy) Name() string { return p.cluster.name }

// Config returns the cluster's Config, through the proxy.
func (p *Proxy) Config() *rest.Config { return p.Through(p.cluster.Config()) }

// Through returns a copy of one of the cluster's client configurations that goes
// through the proxy.
func (p *Proxy) Through(config *rest.Config) *rest.Config {
	config = rest.CopyConfig(config)
	config.Host = strings.Replace(config.Host, p.cluster.URL(), "https://"+p.listens, 1)
	return config
}

// Cut ends all connections and refuses new ones: a server that is off, or a route
// that is gone.
func (p *Proxy) Cut() { p.line.Cut() }

// Reset ends all connections with a TCP reset and accepts new ones: a load balancer
// that restarts. Another fault stays.
func (p *Proxy) Reset() { p.line.Reset() }

// BlackHole lets no byte through, in either direction: a firewall that drops packets.
// Connections stay open and new ones are accepted, but nothing arrives. After Restore
// they go on: what was sent meanwhile is late, not lost. To end connections instead,
// call Cut first.
func (p *Proxy) BlackHole() error {
	p.line.Set(tcpline.Faults{Stalled: true})
	return p.accept()
}

// Slow delays every byte by latency, and lets bytesPerSecond through in each direction
// of each connection. Zero is no delay, or no limit. One direction of a connection
// holds at most 512 KiB, so the latency limits the throughput too.
func (p *Proxy) Slow(latency time.Duration, bytesPerSecond int) error {
	p.line.Set(tcpline.Faults{Latency: max(latency, 0), Rate: max(bytesPerSecond, 0)})
	return p.accept()
}

// Restore ends the fault.
func (p *Proxy) Restore() error {
	p.line.Set(tcpline.Faults{})
	return p.accept()
}

// accept accepts connections, if the proxy does not yet.
func (p *Proxy) accept() error {
	if p.port == nil {
		return fmt.Errorf("the proxy in front of cluster %s is closed", p.cluster.name)
	}
	if err := p.line.Open(p.listens); err != nil {
		return fmt.Errorf("start the proxy in front of cluster %s: %w", p.cluster.name, err)
	}
	return nil
}

// Close ends all connections and gives the port back. Close of a closed proxy does
// nothing.
func (p *Proxy) Close() error {
	if p.port == nil {
		return nil
	}
	p.line.Cut()
	held := p.port
	p.port = nil
	p.cluster.forget(p)
	return held.Release()
}
