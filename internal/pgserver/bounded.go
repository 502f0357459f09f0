package pgserver

import (
	"fmt"
	"net"
	"sync/atomic"
)

// bounded is a connection from which no more is read than was allowed, until that is
// allowed anew.
type bounded struct {
	net.Conn
	most int64        // bytes
	left atomic.Int64 // bytes; pgconn may read in the background
}

// allow begins to count anew.
func (b *bounded) allow() { b.left.Store(b.most) }

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.Conn.Read(p)
	if b.left.Add(int64(-n)) < 0 {
		return 0, fmt.Errorf("the server answers with more than %d bytes", b.most)
	}
	return n, err
}
