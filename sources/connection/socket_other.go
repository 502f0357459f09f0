//go:build !unix

package connection

import "net"

func frugal(conn net.Conn) net.Conn { return conn }

func gather(net.Conn) {}
