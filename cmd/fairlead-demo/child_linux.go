package main

import "syscall"

// childAttributes puts the child into a process group of its own, so that Ctrl-C
// in a terminal reaches the demo, which then asks the child to end; and has the
// kernel end it should the demo die without having done so.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
