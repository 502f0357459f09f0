//go:build !linux

package main

import "syscall"

// childAttributes puts the child into a process group of its own, so that Ctrl-C
// in a terminal reaches the demo, which then asks the child to end.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
