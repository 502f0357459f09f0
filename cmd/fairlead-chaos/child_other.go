//go:build !linux

package main

import "syscall"

// childAttributes puts the child into a process group of its own, so that Ctrl-C
// in a terminal reaches this program, which then ends the child.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
