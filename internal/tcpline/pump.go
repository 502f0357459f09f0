package tcpline

import (
	"context"
	"errors"
	"io"
	"math"
	"net"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// chunkBytes is how much is read at a time.
	chunkBytes = 32 << 10

	// chunksUnderWay is how many chunks one direction of a connection holds. It
	// limits the throughput under latency, and how much a reader that has stalled
	// leaves here before the sender feels it: 512 KiB.
	chunksUnderWay = 16
)

// chunk is what was read at one time. One without data stands for the end.
type chunk struct {
	data []byte
	read time.Time
}

// pump carries the bytes of one connection in both directions, under the line's
// faults. It returns when both ends have been closed: each direction had its end, one
// failed, or ctx ended. Bytes are late, but never lost and never out of order, as a
// TLS connection would survive neither.
func (l *Line) pump(ctx context.Context, w *way, client, server *net.TCPConn) {
	group, ctx := errgroup.WithContext(ctx)
	closed := make(chan struct{})
	context.AfterFunc(ctx, func() { // Wait ends ctx, if nothing else does.
		defer close(closed)
		_ = client.Close()
		_ = server.Close()
	})
	for from, to := range map[*net.TCPConn]*net.TCPConn{client: server, server: client} {
		chunks := make(chan chunk, chunksUnderWay)
		group.Go(func() error {
			return receive(ctx, from, chunks, func(n int) {
				if from == client {
					l.sent.Add(int64(n))
					w.waiting.Add(int64(n))
				} else {
					l.got.Add(int64(n))
				}
			})
		})
		group.Go(func() error { return l.send(ctx, w, to, chunks, to == client) })
	}
	_ = group.Wait() // How a connection ends, its two ends see.
	<-closed
}

// receive reads chunks until the end, which it passes on too. It calls note with the bytes
// of each.
func receive(ctx context.Context, from *net.TCPConn, chunks chan<- chunk, note func(n int)) error {
	for {
		data := make([]byte, chunkBytes)
		n, err := from.Read(data)
		note(n)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		select {
		case chunks <- chunk{data[:n], time.Now()}:
		case <-ctx.Done():
			return ctx.Err()
		}
		if err != nil {
			return nil //nolint:nilerr // It is io.EOF.
		}
	}
}

// send writes each chunk when it is due. The end closes this direction only.
func (l *Line) send(ctx context.Context, w *way, to *net.TCPConn, chunks <-chan chunk, answers bool) error {
	for {
		select {
		case c := <-chunks:
			if err := l.untilDue(ctx, c, answers); err != nil {
				return err
			}
			if err := w.pass(ctx); err != nil {
				return err
			}
			if len(c.data) == 0 {
				return to.CloseWrite()
			}
			if _, err := to.Write(c.data); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// untilDue returns when a chunk, whose turn it is, may pass under the faults of that
// time.
func (l *Line) untilDue(ctx context.Context, c chunk, answer bool) error {
	for turn := time.Now(); ctx.Err() == nil; {
		f := l.faults.Load()
		delay := time.Duration(math.MaxInt64)
		if !f.Stalled && !(answer && f.Mute) {
			delay = time.Until(f.due(c, turn))
		}
		if delay <= 0 {
			return nil
		}
		wait(ctx, f.changed, delay)
	}
	return ctx.Err()
}

// due is when a chunk whose turn came at the time turn may pass: after the latency, and
// after the time that its bytes take.
func (f *Faults) due(c chunk, turn time.Time) time.Time {
	due := c.read.Add(f.Latency)
	if f.Rate == 0 {
		return due
	}
	if due.Before(turn) {
		due = turn
	}
	return due.Add(time.Duration(len(c.data)) * time.Second / time.Duration(f.Rate))
}
