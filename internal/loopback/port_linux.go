package loopback

import (
	"fmt"
	"syscall"
)

// Port is a TCP port of 127.0.0.1 that stays ours while nobody listens on it.
type Port struct {
	Number int
	socket int
}

// Reserve takes a free port. The socket is bound but never listens: with SO_REUSEADDR,
// which Go sets on listeners, a server may listen on its port, but the kernel gives it
// to nobody who asks for any port, nor to an outgoing connection. While no server
// listens, connections are refused.
func Reserve() (*Port, error) {
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("reserve a port: %w", err)
	}
	number, err := bindAnyPort(socket)
	if err != nil {
		_ = syscall.Close(socket)
		return nil, fmt.Errorf("reserve a port: %w", err)
	}
	return &Port{Number: number, socket: socket}, nil
}

func bindAnyPort(socket int) (int, error) {
	if err := syscall.SetsockoptInt(socket, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		return 0, err
	}
	if err := syscall.Bind(socket, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return 0, err
	}
	addr, err := syscall.Getsockname(socket)
	if err != nil {
		return 0, err
	}
	return addr.(*syscall.SockaddrInet4).Port, nil
}

// Release gives the port back, once.
func (p *Port) Release() error {
	socket := p.socket
	if socket < 0 {
		return nil
	}
	p.socket = -1
	return syscall.Close(socket)
}
