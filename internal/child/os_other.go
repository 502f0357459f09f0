//go:build !linux

package child

import "syscall"

// attributes cannot have a child end with this process here.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}

// awaitStopped cannot tell here; threads that run elsewhere stop a moment later.
func awaitStopped(int) error { return nil }
