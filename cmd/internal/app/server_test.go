package app

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
)

// serverOver runs a server of ours over connections in memory and returns a
// function that opens one.
func serverOver(t *testing.T, h http.Handler) (dial func() net.Conn) {
	t.Helper()
	l := &memoryListener{conns: make(chan net.Conn), closed: make(chan struct{})}
	s := newServer("test", h, l, time.Second)
	done := make(chan error, 1)
	go func() { done <- s.Server.Serve(l) }()
	var opened []net.Conn
	t.Cleanup(func() {
		_ = s.Server.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
		for _, c := range opened {
			_ = c.Close()
		}
	})
	return func() net.Conn {
		client, server := net.Pipe()
		opened = append(opened, client)
		l.conns <- server
		return client
	}
}

type memoryListener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *memoryListener) Close() error {
	close(l.closed)
	return nil
}

func (l *memoryListener) Addr() net.Addr { return &net.TCPAddr{} }

// get sends a request on a connection that stays open, and reads the answer.
func get(c net.Conn) (int, error) {
	if _, err := fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		return 0, err
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

// ended reports whether the server has closed a connection.
func ended(c net.Conn) bool {
	_ = c.SetReadDeadline(time.Now())
	_, err := c.Read(make([]byte, 1))
	return err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
}

func TestIdleConnectionsAreClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dial := serverOver(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		idle, silent := dial(), dial()
		if code, err := get(idle); code != http.StatusOK {
			t.Fatal(code, err)
		}
		time.Sleep(readTimeout + time.Second)
		synctest.Wait()
		if !ended(silent) {
			t.Error("a connection without a request is open after the read timeout")
		}
		if ended(idle) {
			t.Error("a connection is closed before the next scrape")
		}
		time.Sleep(idleTimeout)
		synctest.Wait()
		if !ended(idle) {
			t.Error("a connection is open after the idle timeout")
		}
	})
}

// A client that asks and does not read must not keep an answer for ever.
func TestAnswersThatNobodyReadsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		over := make(chan struct{})
		dial := serverOver(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			defer close(over)
			for {
				if _, err := w.Write(make([]byte, 1<<20)); err != nil {
					return
				}
			}
		}))
		if _, err := fmt.Fprint(dial(), "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(writeTimeout + time.Second)
		synctest.Wait()
		select {
		case <-over:
		default:
			t.Error("an answer that nobody reads is still being written")
		}
	})
}

// Whoever opens connections without end keeps no other from being answered, and
// no more of them than the bound.
func TestConnectionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dial := serverOver(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		var conns []net.Conn
		for i := range 3 * mostConnections {
			conns = append(conns, dial())
			synctest.Wait()
			if i%50 == 0 {
				if code, err := get(dial()); code != http.StatusOK {
					t.Fatalf("beside %d connections: %d, %v", i, code, err)
				}
			}
		}
		synctest.Wait()
		open := 0
		for _, c := range conns {
			if !ended(c) {
				open++
			}
		}
		if open > mostConnections {
			t.Errorf("%d connections are open, want %d at most", open, mostConnections)
		}
		if ended(conns[len(conns)-1]) {
			t.Error("the newest connection was closed, not the oldest")
		}
	})
}

func TestWhichConnectionGivesWay(t *testing.T) {
	a, b, c, d := &net.TCPConn{}, &net.UDPConn{}, &net.UnixConn{}, &net.IPConn{}
	kept := &connections{most: 2}
	for i, step := range []struct {
		conn   net.Conn
		state  http.ConnState
		victim net.Conn
	}{
		{a, http.StateNew, nil},
		{a, http.StateActive, nil},
		{b, http.StateNew, nil},
		{c, http.StateNew, b},      // quiet ones before busy ones
		{b, http.StateActive, nil}, // its request came while it was being closed: no other has to go for it
		{c, http.StateActive, nil},
		{d, http.StateNew, a}, // all others are busy: the one that is so for longest
		{d, http.StateIdle, nil},
		{c, http.StateIdle, nil},
		{a, http.StateNew, d}, // d rests for longer than c
		{d, http.StateClosed, nil},
		{c, http.StateClosed, nil},
		{b, http.StateNew, nil},
	} {
		if victim := kept.move(step.conn, step.state); victim != step.victim {
			t.Errorf("step %d: %T gives way, want %T", i, victim, step.victim)
		}
	}
	if !slices.Equal(kept.quiet, []net.Conn{a, b}) || len(kept.busy) != 0 {
		t.Errorf("kept are %d quiet and %d busy ones", len(kept.quiet), len(kept.busy))
	}
}

func TestCostlyRequestsAreBounded(t *testing.T) {
	begun, end := make(chan struct{}), make(chan struct{})
	h := bounded(2, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		begun <- struct{}{}
		<-end
	}))
	ask := func() int {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		return w.Code
	}
	answers := make(chan int, 2)
	for range 2 {
		go func() { answers <- ask() }()
		<-begun
	}
	if code := ask(); code != http.StatusServiceUnavailable {
		t.Errorf("a third request: %d, want 503", code)
	}
	close(end)
	for range 2 {
		if code := <-answers; code != http.StatusOK {
			t.Errorf("one of the first two: %d", code)
		}
	}
	go func() { <-begun }()
	if code := ask(); code != http.StatusOK {
		t.Errorf("a request afterwards: %d", code)
	}
}
