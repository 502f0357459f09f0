package fairleadtest

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// port is a TCP port of the loopback that stays ours while nobody listens on it.
type port struct {
	number int
	socket int
}

// reservePort takes a free port. The socket is bound but never listens: with
// SO_REUSEADDR, which Go sets on listeners, a server may listen on its port, but
// the kernel gives it to nobody who asks for any port, nor to an outgoing
// connection. While no server listens, connections are refused.
func reservePort() (*port, error) {
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("reserve a port: %w", err)
	}
	number, err := bindAnyPort(socket)
	if err != nil {
		_ = syscall.Close(socket)
		return nil, fmt.Errorf("reserve a port: %w", err)
	}
	return &port{number: number, socket: socket}, nil
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

// release gives the port back, once.
func (p *port) release() error {
	socket := p.socket
	if socket < 0 {
		return nil
	}
	p.socket = -1
	return syscall.Close(socket)
}

// awaitStopped returns once a child that was sent SIGSTOP runs on no thread any
// more, or has ended. It leaves the child's status to whoever waits for its end.
func awaitStopped(pid int) error {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WSTOPPED|unix.WEXITED|unix.WNOWAIT, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err == nil || errors.Is(err, unix.ECHILD):
			return nil
		default:
			return fmt.Errorf("wait until process %d has stopped: %w", pid, err)
		}
	}
}
