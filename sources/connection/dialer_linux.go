package connection

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// setUserTimeout bounds how long sent data may stay unacknowledged. Without
// it a request on a connection that went dead is resent for a quarter of an
// hour, and keepalives are not sent meanwhile.
func setUserTimeout(_, _ string, raw syscall.RawConn) error {
	var err error
	if cerr := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(deadAfter.Milliseconds()))
	}); cerr != nil {
		return cerr
	}
	return err
}
