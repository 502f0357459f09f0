//go:build !linux

package child

import "syscall"

// attributes cannot have a child end with this process here.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
