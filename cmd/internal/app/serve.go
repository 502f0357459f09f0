package app

import (
	"context"
	"fmt"
	"net"

	"sigs.k8s.io/controller-runtime/pkg/manager"
)

// listen opens the addresses that flags name, so that a bad one is told before
// anything starts. They are served once the program runs.
func (p *program) listen() (err error) {
	s := p.settings
	if _, err = p.serve("metrics-bind-address", s.MetricsBindAddress, p.metricsServer); err != nil {
		return err
	}
	if p.healthAddress, err = p.serve("health-probe-bind-address", s.HealthProbeBindAddress, p.healthServer); err != nil {
		return err
	}
	p.adminAddress, err = p.serve("admin-bind-address", s.AdminBindAddress, p.adminServer)
	return err
}

// serve adds a server on the address that a flag names, and returns where it
// listens. 0 is no server.
func (p *program) serve(flag, address string, server func(net.Listener) *manager.Server) (net.Addr, error) {
	if address == "0" {
		return nil, nil
	}
	var listen net.ListenConfig
	listener, err := listen.Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("--%s: listen on %q: %w; choose another address, or 0 for none", flag, address, err)
	}
	p.servers = append(p.servers, server(listener))
	return listener.Addr(), nil
}
