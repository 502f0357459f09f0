package postgres

import (
	"fmt"
	"net"
	"sync/atomic"
)

// maxAnswer is how much a server may say during one call, and to connect, in bytes: far
// more than a record and a handshake have.
const maxAnswer = 1 << 20

// bounded is a connection from which no more is read than maxAnswer, until that is
// allowed anew.
type bounded struct {
	net.Conn
	left atomic.Int64 // bytes; pgconn may read in the background
}

// allow begins to count anew.
func (b *bounded) allow() { b.left.Store(maxAnswer) }

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.Conn.Read(p)
	if b.left.Add(int64(-n)) < 0 {
		return 0, fmt.Errorf("the server answers with more than %d bytes", maxAnswer)
	}
	return n, err
}
