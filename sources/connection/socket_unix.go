//go:build unix

package connection

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

const (
	// socketBuffer is how much is read from the kernel at a time: several TLS
	// records, if they are there.
	socketBuffer = 64 << 10
	// gatherFor is how long data may lie in the kernel while more is awaited.
	gatherFor = 5 * time.Millisecond
	// gatherAt is how busy a connection must be for that: how often something
	// came sooner than gatherFor, up to gatherMost and halved by each time that
	// it did not. Who sends a few frames only never waits.
	gatherAt   = 4
	gatherMost = 16
)

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
//
// Most of what a busy watch costs is to be woken for each frame: BenchmarkStreamCPU
// spends more on that than on the frame. So once gather has been called, and
// while frames keep coming, the reader is woken for a whole buffer
// (SO_RCVLOWAT), or after gatherFor for what there is.
type frugalConn struct {
	net.Conn
	raw     syscall.RawConn
	buffers buffers

	// Of the reader:
	buffer    *[socketBuffer]byte // nil: nothing is left
	left      []byte              // of buffer
	gathers   bool
	patience  time.Duration // gatherFor
	gathering bool          // SO_RCVLOWAT is socketBuffer
	full      bool          // the last read took a whole buffer: more may be there
	busy      int           // see gatherAt
	filled    time.Time     // when something came last
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
	return &frugalConn{Conn: conn, raw: raw, buffers: &socketBuffers, patience: gatherFor}
}

// gather lets reads of conn wait for more while data keep coming, if it is one
// that frugal has made. It takes over the deadline of reads.
func gather(conn net.Conn) {
	if c, ok := conn.(*frugalConn); ok {
		c.gathers = true
	}
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
	if !c.gathers {
		_, err := c.take(false, true)
		return err
	}
	if c.gathering {
		if err := c.SetReadDeadline(time.Now().Add(c.patience)); err != nil {
			return err
		}
		_, err := c.take(!c.full, true)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			c.busy = min(c.busy+1, gatherMost)
			return err
		}
		if err := c.SetReadDeadline(time.Time{}); err != nil {
			return err
		}
		if there, err := c.take(false, false); there || err != nil {
			return err
		}
		if err := c.wakeFor(1); err != nil {
			return err
		}
		c.gathering = false
	}
	if _, err := c.take(false, true); err != nil {
		return err
	}
	now := time.Now()
	if now.Sub(c.filled) < c.patience {
		c.busy = min(c.busy+1, gatherMost)
	} else {
		c.busy /= 2
	}
	c.gathering = c.busy >= gatherAt && c.wakeFor(socketBuffer) == nil
	c.filled = now
	return nil
}

// wakeFor says how much has to be there before the reader is woken. An end or
// an error wakes it in any case, and so does a kernel that takes in no more.
func (c *frugalConn) wakeFor(n int) error {
	var failed error
	err := c.raw.Control(func(fd uintptr) {
		failed = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVLOWAT, n)
	})
	if err != nil {
		return err
	}
	return os.NewSyscallError("setsockopt", failed)
}

// take reads what is there, after it has been woken for that if it is to wait
// first. If nothing is there, it waits, or returns false.
func (c *frugalConn) take(waitFirst, wait bool) (there bool, err error) {
	var n int
	var failed error
	err = c.raw.Read(func(fd uintptr) bool {
		if waitFirst {
			// Should what wakes it have come by now, the deadline does.
			waitFirst = false
			return false
		}
		buffer := c.buffers.Get().(*[socketBuffer]byte)
		for {
			n, failed = syscall.Read(int(fd), buffer[:])
			if failed != syscall.EINTR {
				break
			}
		}
		if failed == nil && n > 0 {
			c.buffer, c.left, c.full = buffer, buffer[:n], n == socketBuffer
			return true
		}
		c.buffers.Put(buffer)
		return failed != syscall.EAGAIN || !wait
	})
	switch {
	case err != nil:
		return false, err
	case failed == syscall.EAGAIN:
		return false, nil
	case failed != nil:
		return false, &net.OpError{
			Op: "read", Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(),
			Err: os.NewSyscallError("read", failed),
		}
	case n == 0:
		return false, io.EOF
	}
	return true, nil
}
