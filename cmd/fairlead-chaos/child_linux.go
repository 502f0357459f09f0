package main

import "syscall"

// childAttributes puts the child into a process group of its own, so that Ctrl-C
// in a terminal reaches this program, which then ends the child; and has the
// kernel end it should this one die without having done so.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
