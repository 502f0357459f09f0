package httpsink_test

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	httpsink "github.com/fairlead-dev/fairlead/sinks/http"
)

// relay passes connections on. Those that exist can go silent, as they do when a machine
// on the way dies; new ones work.
type relay struct {
	net.Listener
	mu       sync.Mutex
	silent   []*atomic.Bool
	accepted atomic.Int32
	running  sync.WaitGroup
	conns    []net.Conn
}

func newRelay(t *testing.T, to string) *relay {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{Listener: listener}
	r.running.Go(func() {
		for {
			from, err := r.Accept()
			if err != nil {
				return
			}
			on, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", to)
			if err != nil {
				_ = from.Close()
				continue
			}
			r.accepted.Add(1)
			silent := &atomic.Bool{}
			r.mu.Lock()
			r.silent, r.conns = append(r.silent, silent), append(r.conns, from, on)
			r.mu.Unlock()
			r.running.Go(func() { pass(on, from, silent) })
			r.running.Go(func() { pass(from, on, silent) })
		}
	})
	t.Cleanup(func() {
		_ = r.Close()
		r.mu.Lock()
		for _, c := range r.conns {
			_ = c.Close()
		}
		r.mu.Unlock()
		r.running.Wait()
	})
	return r
}

func pass(to, from net.Conn, silent *atomic.Bool) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			if !silent.Load() {
				_ = to.Close()
			}
			return
		}
		if !silent.Load() {
			_, _ = to.Write(buf[:n])
		}
	}
}

func (r *relay) hush() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.silent {
		s.Store(true)
	}
}

// TestAConnectionThatGoesSilent is given up: after a timeout or two another one is made.
// HTTP/2 has one for all requests, and a timeout alone does not end it.
func TestAConnectionThatGoesSilent(t *testing.T) {
	ca := newCA(t)
	pair, err := ca.Server()
	var version atomic.Int32
	target := secure(t, &tls.Config{Certificates: []tls.Certificate{certificate(t, pair, err)}}, func(_ http.ResponseWriter, r *http.Request) {
		version.Store(int32(r.ProtoMajor)) //nolint:gosec // It is 1 or 2.
	})
	at, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	r := newRelay(t, at.Host)
	sink := open(t, httpsink.Options{URL: "https://" + r.Addr().String(), CAFile: file(t, "ca", string(ca.PEM())), Timeout: 500 * time.Millisecond})
	works := func() bool { return sink.Write(t.Context(), batchOf(1)) == nil }
	await(t, works) // to connect may take longer than that
	if version.Load() != 2 {
		t.Fatalf("HTTP/%d", version.Load())
	}
	r.hush()
	if err := sink.Write(t.Context(), batchOf(1)); err == nil {
		t.Fatal("accepted through a connection that is silent")
	}
	await(t, works)
	if n := r.accepted.Load(); n < 2 {
		t.Errorf("%d connections", n)
	}
}

// TestTheCallersTrace is called once for each request, however many were made before.
func TestTheCallersTrace(t *testing.T) {
	sink := open(t, httpsink.Options{URL: answering(t, 200).URL, Connections: 1})
	n := 0
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { n++ }})
	for i := range 30 {
		if err := sink.Write(ctx, batchOf(1)); err != nil || n != i+1 {
			t.Fatalf("called %d times by %d requests: %v", n, i+1, err)
		}
	}
}
