package connection

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/sources/member"
)

// middle passes connections on to a server, until it forgets those that there are: nobody is told,
// and nothing passes any more, as where a firewall has lost its state. New ones pass.
type middle struct {
	mu     sync.Mutex
	passes map[*pass]bool
}

type pass struct {
	mu      sync.Mutex
	dropped bool
}

// carry copies from one end to the other until the pass is dropped.
func (p *pass) carry(to, from net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		p.mu.Lock()
		dropped := p.dropped
		p.mu.Unlock()
		if !dropped && n > 0 {
			_, err = to.Write(buffer[:n])
		}
		if err != nil {
			_ = to.Close()
			return
		}
	}
}

// through returns the address of a way to another.
func (m *middle) through(t *testing.T, address string) string {
	m.passes = map[*pass]bool{}
	return listener(t, func(conn net.Conn) {
		server, err := net.Dial("tcp", address)
		if err != nil {
			t.Error(err)
			return
		}
		p := &pass{}
		m.mu.Lock()
		m.passes[p] = true
		m.mu.Unlock()
		var wg sync.WaitGroup
		wg.Go(func() { p.carry(server, conn) })
		p.carry(conn, server)
		wg.Wait()
	})
}

func (m *middle) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for p := range m.passes {
		p.mu.Lock()
		p.dropped = true
		p.mu.Unlock()
	}
}

// A probe that is sent over a connection that nobody serves any more is replaced by one over
// another, as soon as the member is known to answer, and what else goes over that one ends, too.
// What a watch goes over may be silent.
func TestHalfOpenConnection(t *testing.T) {
	t.Setenv("HTTP2_READ_IDLE_TIMEOUT_SECONDS", "0") // nothing else finds it
	for _, busy := range []bool{false, true} {
		t.Run(fmt.Sprint("with a call under way: ", busy), func(t *testing.T) {
			srv := newServer(t, true)
			var m middle
			cfg := srv.rest()
			cfg.Host = "https://" + m.through(t, srv.Listener.Addr().String())
			c := newConnection(t, Options{REST: cfg, Config: Config{
				ConnectTimeout: time.Hour, ReconnectMin: time.Millisecond, ReachInterval: 200 * time.Millisecond,
			}})
			stop := running(t, c)
			defer stop()
			s := acquire(t, c)
			watched := make(chan struct{})
			body := watch(t.Context(), t, s)
			go func() {
				defer close(watched)
				_, _ = io.Copy(io.Discard, body)
			}()
			for round := range 5 {
				called := make(chan error, 1)
				if busy {
					list, err := s.Calls.Get().AbsPath("/watch").MaxRetries(0).Stream(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					go func() {
						_, err := io.Copy(io.Discard, list)
						_ = list.Close()
						called <- err
					}()
				}
				m.forget()
				c.Report(s, io.ErrUnexpectedEOF)
				eventually(t, "it is live again", func() bool {
					st := c.Status()
					return st.State == member.Live && st.Probes[resultOK] == uint64(round+2) //nolint:gosec // Small.
				})
				if busy {
					if err := <-called; err == nil {
						t.Error("the call has come to its end")
					}
				}
			}
			select {
			case <-watched:
				t.Error("the watch has ended")
			default:
			}
			stop()
			<-watched
			_ = body.Close()
		})
	}
}

// A server that answers a probe slowly, but sends something, loses no connection for that.
func TestSlowServerKeepsItsConnection(t *testing.T) {
	var slow atomic.Bool
	serve := &server{}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch {
		case req.URL.Path == "/list":
			for err := error(nil); err == nil; { // as fast as it is read
				_, err = w.Write(make([]byte, 32<<10))
			}
		case slow.Load() && req.Header.Get("Authorization") != "":
			<-req.Context().Done()
		default:
			serve.serve(w, req)
		}
	}))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()
	c := newConnection(t, Options{REST: (&server{Server: srv}).rest(), Config: Config{
		ConnectTimeout: time.Hour, ReconnectMin: time.Millisecond, ReachInterval: time.Second,
	}})
	stop := running(t, c)
	defer stop()
	s := acquire(t, c)
	list, err := s.Calls.Get().AbsPath("/list").MaxRetries(0).Stream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = list.Close() }()
	slow.Store(true)
	c.mu.Lock()
	before := c.generation
	c.mu.Unlock()
	c.Report(s, io.ErrUnexpectedEOF)
	for replaced := false; !replaced; {
		if _, err := io.CopyN(io.Discard, list, 1<<20); err != nil {
			t.Fatal(err)
		}
		c.mu.Lock()
		replaced = c.stop != nil && c.generation > before
		c.mu.Unlock()
	}
	if _, err := io.CopyN(io.Discard, list, 64<<20); err != nil { // more than was on its way
		t.Error(err)
	}
}
