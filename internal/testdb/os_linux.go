package testdb

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// nobody is the user that servers run as where root starts them.
const nobody = 65534

// notRoot has a command run as nobody if it would as root, which servers refuse.
func notRoot(cmd *exec.Cmd) {
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody, Groups: []uint32{}}}
		cmd.Dir = "/"
	}
}

// port is a TCP port of the loopback that stays ours while nobody listens on it.
type port struct {
	number int
	socket int
}

// reservePort takes a free port. The socket is bound and never listens: with
// SO_REUSEADDR a server may listen on its port, but the kernel gives it to nobody who
// asks for any port.
func reservePort() (*port, error) {
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("reserve a port: %w", err)
	}
	p := &port{socket: socket}
	address, err := func() (syscall.Sockaddr, error) {
		if err := syscall.SetsockoptInt(socket, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
			return nil, err
		}
		if err := syscall.Bind(socket, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
			return nil, err
		}
		return syscall.Getsockname(socket)
	}()
	if err != nil {
		p.release()
		return nil, fmt.Errorf("reserve a port: %w", err)
	}
	p.number = address.(*syscall.SockaddrInet4).Port
	return p, nil
}

func (p *port) release() { _ = syscall.Close(p.socket) }

// awaitStopped returns once a child that was sent SIGSTOP runs on no thread any more,
// or has ended. It leaves the child's status to whoever waits for its end.
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

// childrenOf returns the processes that a process has made and that live.
func childrenOf(parent int) (pids []int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if state, of := stat(pid); of == parent && state != 'Z' {
			pids = append(pids, pid)
		}
	}
	return pids
}

// gone reports whether a process has ended.
func gone(pid int) bool {
	state, _ := stat(pid)
	return state == 0 || state == 'Z'
}

// stat returns the state of a process and its parent, or zeros if there is none.
func stat(pid int) (state byte, parent int) {
	text, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	// PID (NAME) STATE PARENT ..., and a name may hold anything.
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(fields) < 2 {
		return 0, 0
	}
	parent, _ = strconv.Atoi(string(fields[1]))
	return fields[0][0], parent
}
