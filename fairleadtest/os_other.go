//go:build !linux

package fairleadtest

import (
	"fmt"
	"net"
)

// port is a TCP port of the loopback that was free a moment ago.
type port struct {
	number int
}

func reservePort() (*port, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("reserve a port: %w", err)
	}
	number := listener.Addr().(*net.TCPAddr).Port
	return &port{number: number}, listener.Close()
}

func (p *port) release() error { return nil }

// awaitStopped cannot tell here; threads that run elsewhere stop a moment later.
func awaitStopped(int) error { return nil }
