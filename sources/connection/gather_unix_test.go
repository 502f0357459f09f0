//go:build unix

package connection

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Patience that does not end within a test, and one that comes in when what
// should wake the reader was there before it waited.
const (
	never = time.Hour
	some  = 50 * time.Millisecond
)

// pair returns both ends of a connection.
func pair(t *testing.T) (ours, theirs net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if ours, err = net.Dial("tcp", listener.Addr().String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ours.Close() })
	if theirs, err = listener.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = theirs.Close() })
	return ours, theirs
}

// gathering returns both ends of a connection whose reader has the patience that
// is given, and has become busy. Nothing is left to be read.
func gathering(t *testing.T, patience time.Duration) (conn *frugalConn, theirs net.Conn) {
	t.Helper()
	ours, theirs := pair(t)
	conn, _ = frugal(ours).(*frugalConn)
	conn.patience = never
	for gather(conn); !conn.gathering; {
		if conn.busy >= gatherAt {
			t.Fatal("a busy connection does not gather")
		}
		write(t, theirs, "frame\n")
		if _, err := io.ReadFull(conn, make([]byte, 6)); err != nil {
			t.Fatal(err)
		}
	}
	conn.patience = patience
	return conn, theirs
}

func write(t *testing.T, conn net.Conn, s string) {
	t.Helper()
	if _, err := io.WriteString(conn, s); err != nil {
		t.Error(err)
	}
}

// othersTurn has another connection read a hundred times: whoever was woken
// before has had its turn.
func othersTurn(t *testing.T) {
	t.Helper()
	a, b := pair(t)
	go func() { _, _ = io.Copy(b, b) }()
	for range 100 {
		write(t, a, "x")
		if _, err := io.ReadFull(a, make([]byte, 1)); err != nil {
			t.Error(err)
		}
	}
}

// TestBusyConnectionIsReadInFullBuffers: not in as many pieces as are sent.
func TestBusyConnectionIsReadInFullBuffers(t *testing.T) {
	conn, theirs := gathering(t, never)
	pool, began := &counted{}, make(chan struct{})
	conn.raw, conn.buffers = waits{conn.raw, began}, pool
	piece := string(bytes.Repeat([]byte{'x'}, 1<<10))
	write(t, theirs, piece) // is there already
	othersTurn(t)
	read := make(chan int)
	go func() {
		n, err := conn.Read(make([]byte, socketBuffer))
		if err != nil {
			t.Error(err)
		}
		read <- n
	}()
	select {
	case <-began:
	case n := <-read:
		t.Fatalf("read %d bytes at once, want as many as come", n)
	}
	var writer sync.WaitGroup
	defer writer.Wait()
	defer theirs.Close() // nobody may read the rest
	writer.Go(func() {
		for range 4 {
			write(t, theirs, piece)
			othersTurn(t)
		}
		for range 2 * socketBuffer / len(piece) {
			_, _ = io.WriteString(theirs, piece)
		}
	})
	for {
		select {
		case n := <-read:
			if n < socketBuffer/2 {
				t.Errorf("read %d bytes at once, want as many as come", n)
			}
			return
		case <-began: // woken for too little
		}
	}
}

// TestFullBufferNeedsNoPatience: more may be there, and is read at once.
func TestFullBufferNeedsNoPatience(t *testing.T) {
	conn, theirs := gathering(t, never)
	began, read := make(chan struct{}), make(chan error)
	conn.raw, conn.full = waits{conn.raw, began}, true
	write(t, theirs, "rest")
	othersTurn(t)
	go func() {
		_, err := io.ReadFull(conn, make([]byte, 4))
		read <- err
	}()
	select {
	case <-began:
		_ = conn.Close()
		t.Errorf("it waits for more than the rest, until it is closed: %v", <-read)
	case err := <-read:
		if err != nil {
			t.Error(err)
		}
	}
}

// pauses is a RawConn that tells when a read begins to wait without a deadline.
type pauses struct {
	syscall.RawConn
	conn  *frugalConn
	began chan struct{}
}

func (p pauses) Read(f func(fd uintptr) bool) error {
	return p.RawConn.Read(func(fd uintptr) bool {
		done := f(fd)
		if !done && !p.conn.gathering {
			p.began <- struct{}{}
		}
		return done
	})
}

// TestPatienceEnds: what comes after a while is waited for as on any connection,
// and the connection is busy no more.
func TestPatienceEnds(t *testing.T) {
	conn, theirs := gathering(t, time.Nanosecond)
	began, read := make(chan struct{}), make(chan error)
	conn.raw = pauses{conn.raw, conn, began}
	for range gatherMost {
		go func() {
			_, err := io.ReadFull(conn, make([]byte, 1))
			read <- err
		}()
		<-began
		write(t, theirs, "x") // alone, and not at once
		if err := despite(began, read); err != nil {
			t.Fatal(err)
		}
	}
	if conn.gathering || conn.busy > 0 {
		t.Errorf("after frames that came seldom: gathering %v, busy %d", conn.gathering, conn.busy)
	}
}

// TestPatienceIsRewarded: what is there when it ends is read then, and the
// connection stays busy.
func TestPatienceIsRewarded(t *testing.T) {
	conn, theirs := gathering(t, some)
	for range gatherMost {
		write(t, theirs, "frame\n")
		if _, err := io.ReadFull(conn, make([]byte, 6)); err != nil {
			t.Fatal(err)
		}
		if !conn.gathering {
			t.Fatal("it gathers no more, although something has come")
		}
	}
}

// TestGatheringEndsWithTheConnection: whoever closes it, with what is there read
// first.
func TestGatheringEndsWithTheConnection(t *testing.T) {
	t.Run("theirs", func(t *testing.T) {
		conn, theirs := gathering(t, some)
		write(t, theirs, "last")
		_ = theirs.Close()
		if got, err := io.ReadAll(conn); string(got) != "last" || err != nil {
			t.Errorf("read %q, %v", got, err)
		}
	})
	t.Run("ours", func(t *testing.T) {
		conn, _ := gathering(t, never)
		pool, began := &counted{}, make(chan struct{}, 1)
		conn.raw, conn.buffers = waits{conn.raw, began}, pool
		read := make(chan error, 1)
		go func() {
			_, err := conn.Read(make([]byte, 1))
			read <- err
		}()
		<-began
		_ = conn.Close()
		if err := <-read; !errors.Is(err, net.ErrClosed) {
			t.Errorf("read: %v", err)
		}
		if n := pool.out.Load(); n != 0 {
			t.Errorf("%d buffers are held", n)
		}
	})
}
