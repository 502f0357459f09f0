//go:build unix

package connection

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
)

// socketBuffer is how much is read from the kernel at a time: several TLS
// records, if they are there.
const socketBuffer = 64 << 10

// socketBuffers are only held while there is something in them.
var socketBuffers = sync.Pool{New: func() any { return new([socketBuffer]byte) }}

// buffers is a sync.Pool of *[socketBuffer]byte.
type buffers interface {
	Get() any
	Put(buffer any)
}

// frugalConn is a connection that is read in large pieces, but that holds no
// buffer while nothing comes. It has one reader at a time, as any connection
// below TLS.
type frugalConn struct {
	net.Conn
	raw     syscall.RawConn
	buffers buffers

	// Of the reader:
	buffer *[socketBuffer]byte // nil: nothing is left
	left   []byte              // of buffer
}

// frugal returns a connection that reads conn in large pieces, or conn itself
// if that is no socket.
func frugal(conn net.Conn) net.Conn {
	under, ok := conn.(syscall.Conn)
	if !ok {
		return conn
	}
	raw, err := under.SyscallConn()
	if err != nil {
		return conn
	}
	return &frugalConn{Conn: conn, raw: raw, buffers: &socketBuffers}
}

func (c *frugalConn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if c.buffer == nil {
		if err := c.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.left)
	if c.left = c.left[n:]; len(c.left) == 0 {
		c.buffers.Put(c.buffer)
		c.buffer = nil
	}
	return n, nil
}

// fill blocks until something was read. While it blocks it holds no buffer.
func (c *frugalConn) fill() error {
	var n int
	var failed error
	err := c.raw.Read(func(fd uintptr) bool {
		buffer := c.buffers.Get().(*[socketBuffer]byte)
		for {
			n, failed = syscall.Read(int(fd), buffer[:])
			if failed != syscall.EINTR {
				break
			}
		}
		if failed == nil && n > 0 {
			c.buffer, c.left = buffer, buffer[:n]
			return true
		}
		c.buffers.Put(buffer)
		return failed != syscall.EAGAIN
	})
	switch {
	case err != nil:
		return err
	case failed != nil:
		return &net.OpError{
			Op: "read", Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(),
			Err: os.NewSyscallError("read", failed),
		}
	case n == 0:
		return io.EOF
	}
	return nil
}
