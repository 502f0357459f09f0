package httpdest

import (
	"context"
	"io"
	"net"
	"sync"
)

// bulk is how much of a body is written at once, in bytes. net/http has buffers of 32 KiB:
// each write wakes up who reads, which costs more than to copy it.
const bulk = 128 << 10

var bulks = sync.Pool{New: func() any { return new([bulk]byte) }}

// bulkConn is a connection to which bodies are written in large pieces.
type bulkConn struct{ net.Conn }

// ReadFrom writes all that r reads. net/http calls it with bodies of requests that have a
// length, if they are longer than its own buffer.
func (c bulkConn) ReadFrom(r io.Reader) (int64, error) {
	buf := bulks.Get().(*[bulk]byte)
	defer bulks.Put(buf)
	return io.CopyBuffer(struct{ io.Writer }{c.Conn}, r, buf[:])
}

// dialer returns what connects as d does, for bodies that are large.
func dialer(d *net.Dialer) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := d.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return bulkConn{conn}, nil
	}
}
