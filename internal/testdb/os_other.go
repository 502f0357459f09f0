//go:build !linux

package testdb

import (
	"fmt"
	"net"
	"os/exec"
)

const nobody = 65534

// notRoot leaves it to the server to refuse root.
func notRoot(*exec.Cmd) {}

// port is a TCP port of the loopback that was free.
type port struct{ number int }

// reservePort finds a free port, which somebody else may take while no server
// listens on it.
func reservePort() (*port, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("reserve a port: %w", err)
	}
	number := listener.Addr().(*net.TCPAddr).Port
	return &port{number: number}, listener.Close()
}

func (*port) release() {}

// awaitStopped cannot tell here; threads that run elsewhere stop a moment later.
func awaitStopped(int) error { return nil }

// childrenOf cannot tell here.
func childrenOf(int) []int { return nil }

func gone(int) bool { return true }
