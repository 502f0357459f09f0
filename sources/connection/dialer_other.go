//go:build !linux

package connection

import "syscall"

// setUserTimeout does nothing where TCP_USER_TIMEOUT does not exist; there
// keepalives and the timeouts of calls have to do.
func setUserTimeout(_, _ string, _ syscall.RawConn) error { return nil }
