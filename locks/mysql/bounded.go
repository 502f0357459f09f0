package mysql

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"

	"github.com/fairlead-dev/fairlead/locks"
)

// maxAnswer is how much the server may say during one call, in bytes: far more than a
// record and a handshake have.
const maxAnswer = 1 << 20

// line is what calls have to do with the network: the connection of now, and how much
// the server may still say.
type line struct {
	conn atomic.Pointer[bounded]
	left atomic.Int64 // bytes; negative: it said too much
}

// dial connects. It is the driver's DialFunc.
func (l *line) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	b := &bounded{conn.(*net.TCPConn), &l.left}
	l.conn.Store(b)
	return b, nil
}

// call makes a call that ends with its context and reads no more than maxAnswer. The
// driver does not look at the context when it ends a transaction, nor when it reads
// what is left of an answer. So the connection is closed under it.
func (l *line) call(ctx context.Context, call func() error) error {
	l.left.Store(maxAnswer)
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(closed)
		if conn := l.conn.Load(); conn != nil {
			_ = conn.Close()
		}
	})
	err := call()
	if !stop() {
		<-closed
	}
	switch cause := context.Cause(ctx); {
	case err == nil || errors.Is(err, locks.ErrChanged):
		return err
	case l.left.Load() < 0:
		return fmt.Errorf("it answers with more than %d bytes: %w", maxAnswer, err)
	case cause != nil && !errors.Is(err, cause):
		return fmt.Errorf("%w: %w", cause, err)
	}
	return err
}

// bounded is a connection from which no more is read than there is left. It is one of
// TCP, so that the driver sees whether the server has closed it.
type bounded struct {
	*net.TCPConn
	left *atomic.Int64
}

var errTooMuch = errors.New("the server says too much")

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.TCPConn.Read(p)
	if b.left.Add(int64(-n)) < 0 {
		return 0, errTooMuch
	}
	return n, err
}
