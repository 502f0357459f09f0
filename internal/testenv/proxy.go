package testenv

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
	"k8s.io/client-go/rest"
)

// Proxy is a TCP proxy in front of one cluster, which can be made to fail. It
// knows nothing of TLS: a client through it speaks to the API server itself.
//
// Its faults end with Restore; each of them replaces the one before.
type Proxy struct {
	cluster *Cluster
	listens string // the address; the proxy's own field is written at each start
	port    *port
	line    *line
	proxy   *toxiproxy.Proxy
}

// NewProxy starts a proxy in front of the cluster. It is closed with the cluster,
// if not before.
func (c *Cluster) NewProxy() (_ *Proxy, err error) {
	upstream, err := url.Parse(c.URL())
	if err != nil {
		return nil, err
	}
	p := &Proxy{cluster: c, line: newLine()}
	if p.port, err = reservePort(); err != nil {
		return nil, err
	}
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	p.listens = "127.0.0.1:" + strconv.Itoa(p.port.number)
	p.proxy = toxiproxy.NewProxy(server, c.name, p.listens, upstream.Host)
	err = p.line.install(p.proxy.Toxics)
	if err == nil {
		err = p.proxy.Start()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start a proxy in front of cluster %s: %w", c.name, err), p.port.release())
	}
	c.proxies = append(c.proxies, p)
	return p, nil
}

// Name returns the cluster's name.
func (p *Proxy) Name() string { return p.cluster.name }

// Config is the cluster's Config, through the proxy.
func (p *Proxy) Config() *rest.Config { return p.Through(p.cluster.Config()) }

// Through returns a copy of one of the cluster's client configurations that goes
// through the proxy.
func (p *Proxy) Through(config *rest.Config) *rest.Config {
	config = rest.CopyConfig(config)
	config.Host = strings.Replace(config.Host, p.cluster.URL(), "https://"+p.listens, 1)
	return config
}

// Cut breaks all connections and has new ones refused.
func (p *Proxy) Cut() {
	p.line.cut()
	p.proxy.Stop()
}

// BlackHole lets nothing through any more, in either direction. Connections stay
// open and new ones are accepted, but no byte arrives. After Restore they go on:
// what was sent meanwhile is late, not lost. For connections that never come back
// follow it with Cut.
func (p *Proxy) BlackHole() error {
	p.line.hold()
	return p.start()
}

// Slow delays every byte by latency and lets bytesPerSecond through, in each
// direction and on each connection. Zero changes nothing.
func (p *Proxy) Slow(latency time.Duration, bytesPerSecond int) error {
	p.line.slow(latency, bytesPerSecond)
	return p.start()
}

// Restore ends the fault.
func (p *Proxy) Restore() error {
	p.line.slow(0, 0)
	return p.start()
}

// start accepts connections, if it does not yet.
func (p *Proxy) start() error {
	if err := p.proxy.Start(); err != nil && !errors.Is(err, toxiproxy.ErrProxyAlreadyStarted) {
		return fmt.Errorf("restore the proxy in front of cluster %s: %w", p.cluster.name, err)
	}
	return nil
}

// Close breaks all connections and gives the port back. Close of a closed proxy
// does nothing.
func (p *Proxy) Close() error {
	if p.port == nil {
		return nil
	}
	p.Cut()
	held := p.port
	p.port = nil
	return held.release()
}
