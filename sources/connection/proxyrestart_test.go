package connection

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// proxy is an egress proxy in memory, for use in synctest, which also answers for the members.
type proxy struct {
	http.Server
	incoming chan net.Conn
	closed   chan struct{}

	mu     sync.Mutex
	down   bool
	open   []net.Conn
	dialed map[string][]time.Time // by member
}

func newProxy(t *testing.T) *proxy {
	p := &proxy{incoming: make(chan net.Conn), closed: make(chan struct{}), dialed: map[string][]time.Time{}}
	p.ReadHeaderTimeout = time.Minute
	p.Handler = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if req.URL.Path != "/watch" {
			answer, _ := healthy(uidA)(req)
			_, _ = io.Copy(w, answer.Body)
			return
		}
		_ = http.NewResponseController(w).Flush()
		<-req.Context().Done()
	})
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = p.Serve(p) // until Close
	}()
	t.Cleanup(func() {
		_ = p.Server.Close()
		<-served
	})
	return p
}

// Accept, Close and Addr make it the listener of its server.
func (p *proxy) Accept() (net.Conn, error) {
	select {
	case conn := <-p.incoming:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *proxy) Close() error { close(p.closed); return nil }

func (p *proxy) Addr() net.Addr { return &net.UnixAddr{Net: "memory"} }

// rest is the configuration of a member behind it.
func (p *proxy) rest(name string) *rest.Config {
	return &rest.Config{
		Host: "http://" + name, BearerToken: "top-secret-token",
		Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: "proxy.invalid:3128"}),
		Dial: func(context.Context, string, string) (net.Conn, error) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.dialed[name] = append(p.dialed[name], time.Now())
			if p.down {
				return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
			}
			ours, its := net.Pipe()
			p.open = append(p.open, its)
			p.incoming <- its
			return ours, nil
		},
	}
}

// goDown cuts all that goes through it, and comeUp lets it through again.
func (p *proxy) goDown() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = true
	for _, conn := range p.open {
		_ = conn.Close()
	}
	p.open = nil
}

func (p *proxy) comeUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = false
}

// TestProxyRestarts: no second sees more members dial a proxy that restarts than the line lets
// through, not even the first one, and all are live, and watch, as soon as that allows.
func TestProxyRestarts(t *testing.T) {
	const members = 300
	for _, down := range []time.Duration{0, time.Second, 10 * time.Second} {
		t.Run(fmt.Sprint("for ", down), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newProxy(t)
				limiter := NewReconnectLimiter(0)
				ctx, cancel := context.WithCancel(t.Context())
				var wg sync.WaitGroup
				var fleet []*Connection
				for i := range members {
					name := fmt.Sprint("member-", i)
					c := newConnection(t, Options{
						Cluster: name, REST: p.rest(name), ReconnectLimiter: limiter,
						Config: Config{HealthInterval: 24 * time.Hour},
					})
					fleet = append(fleet, c)
					wg.Go(func() { _ = c.Run(ctx) })
					wg.Go(func() { watchOn(ctx, c) })
				}
				time.Sleep(2 * DefaultReconnectMax)
				began := time.Now()
				p.goDown()
				time.Sleep(down)
				p.comeUp()
				time.Sleep(line(members))
				synctest.Wait()
				for _, c := range fleet {
					if s := c.Status(); s.State != member.Live {
						t.Errorf("%+v", s)
					}
				}
				perSecond := map[int]int{}
				p.mu.Lock()
				for _, dials := range p.dialed {
					last := -1
					for _, at := range dials {
						if second := int(at.Sub(began) / time.Second); !at.Before(began) && second != last {
							perSecond[second]++
							last = second
						}
					}
				}
				if len(p.open) < 2*members {
					t.Errorf("%d connections of %d members, want each to have one for its watch and one for calls", len(p.open), members)
				}
				p.mu.Unlock()
				for second, n := range perSecond {
					if n > leastDialing {
						t.Errorf("%d members dialed in second %d", n, second)
					}
				}
				cancel()
				wg.Wait()
			})
		})
	}
}

// watchOn does what a stream does, without waiting between two watches.
func watchOn(ctx context.Context, c *Connection) {
	for {
		s, err := c.Acquire(ctx)
		if err != nil {
			return
		}
		body, err := s.Watches.Get().AbsPath("/watch").Param("watch", "true").MaxRetries(0).Stream(ctx)
		if err == nil {
			_, err = io.Copy(io.Discard, body)
			_ = body.Close()
		}
		if ctx.Err() == nil {
			c.Report(s, err)
		}
	}
}

// TestWatchCutAlone: the member is asked over the connection that it has, however long the line
// is. If that is cut, too, it waits for its turn.
func TestWatchCutAlone(t *testing.T) {
	srv := newServer(t, true)
	limiter := NewReconnectLimiter(0)
	for range 1 << 18 {
		limiter.stand(time.Now(), false)
	}
	c := newConnection(t, Options{REST: srv.rest(), ReconnectLimiter: limiter, Config: Config{ReconnectMin: time.Millisecond}})
	stop := running(t, c)
	defer stop()
	s := acquire(t, c)
	c.Report(s, io.ErrUnexpectedEOF)
	eventually(t, "it is live again", func() bool {
		st := c.Status()
		return st.State == member.Live && st.Probes[resultOK] == 2
	})
	srv.CloseClientConnections()
	eventually(t, "the connection is closed", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.clients.dialer.mu.Lock()
		defer c.clients.dialer.mu.Unlock()
		return len(c.clients.dialer.open) == 0
	})
	c.Report(s, io.ErrUnexpectedEOF)
	eventually(t, "it stands in the line", func() bool { return time.Until(c.Status().NextRetry) > time.Hour })
	if st := c.Status(); st.State != member.Stale || st.Attempt != 0 || st.Probes[resultOK] != 2 {
		t.Errorf("status %+v", st)
	}
}
