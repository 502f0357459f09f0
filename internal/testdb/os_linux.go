package testdb

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
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

// stopped reports whether a process runs no more, for good or until SIGCONT.
func stopped(pid int) bool {
	state, _ := stat(pid)
	return state == 'T' || gone(pid)
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
