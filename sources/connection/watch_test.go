package connection

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// newWatchTransport returns one that trusts the server.
func newWatchTransport(t *testing.T, server *httptest.Server) *watchTransport {
	t.Helper()
	plain, ok := server.Client().Transport.(*http.Transport)
	if !ok {
		t.Fatal("the test server's client has another transport")
	}
	plain = plain.Clone()
	plain.DialContext = new(net.Dialer).DialContext
	plain.TLSHandshakeTimeout, plain.ResponseHeaderTimeout = 10*time.Second, 10*time.Second
	if plain.TLSClientConfig != nil {
		plain.TLSClientConfig.NextProtos = []string{"http/1.1"}
	}
	t.Cleanup(plain.CloseIdleConnections)
	return &watchTransport{plain}
}

func openWatch(ctx context.Context, t *testing.T, rt http.RoundTripper, address string) (*http.Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"?watch=true", nil)
	if err != nil {
		t.Fatal(err)
	}
	return rt.RoundTrip(req)
}

func TestWatchTransportReadsFramesAsTheyCome(t *testing.T) {
	next := make(chan string)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/path" || r.Header.Get("X-Header") != "kept" || r.Host == "" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		_ = http.NewResponseController(w).Flush()
		for frame := range next {
			_, _ = io.WriteString(w, frame+"\n")
			_ = http.NewResponseController(w).Flush()
		}
	})
	for name, start := range map[string]func(http.Handler) *httptest.Server{"TLS": httptest.NewTLSServer, "plain": httptest.NewServer} {
		t.Run(name, func(t *testing.T) {
			next = make(chan string)
			server := start(handler)
			defer server.Close()
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/path?watch=true", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("X-Header", "kept")
			resp, err := newWatchTransport(t, server).RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				t.Fatal(resp.Status)
			}
			lines := bufio.NewReader(resp.Body)
			for _, frame := range []string{"a", strings.Repeat("b", 3*16<<10), "c"} {
				next <- frame
				if got, err := lines.ReadString('\n'); err != nil || got != frame+"\n" {
					t.Fatalf("read %d bytes, %v; want %d", len(got), err, len(frame)+1)
				}
			}
			close(next)
			if _, err := lines.ReadByte(); !errors.Is(err, io.EOF) {
				t.Errorf("at the end: %v, want EOF", err)
			}
		})
	}
}

func TestWatchTransportEndsWithItsContext(t *testing.T) {
	cause := errors.New("the cause")
	for _, headFirst := range []bool{true, false} {
		t.Run(fmt.Sprint("answered=", headFirst), func(t *testing.T) {
			arrived, done := make(chan struct{}), make(chan struct{})
			server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if headFirst {
					_ = http.NewResponseController(w).Flush()
				}
				close(arrived)
				<-r.Context().Done() // the connection is closed
				close(done)
			}))
			defer server.Close()
			ctx, cancel := context.WithCancelCause(t.Context())
			go func() { <-arrived; cancel(cause) }()
			resp, err := openWatch(ctx, t, newWatchTransport(t, server), server.URL)
			if err == nil {
				_, err = resp.Body.Read(make([]byte, 1))
				_ = resp.Body.Close()
			}
			if !errors.Is(err, cause) {
				t.Errorf("ended with %v, want the cause", err)
			}
			<-done
		})
	}
}

func TestWatchTransportBoundsTheWaitAndTheHead(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	answer := make(chan func(net.Conn), 1)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			(<-answer)(conn)
		}
	}()
	address := "http://" + listener.Addr().String()
	transport := &watchTransport{&http.Transport{DialContext: new(net.Dialer).DialContext, ResponseHeaderTimeout: time.Minute}}

	answer <- func(conn net.Conn) {
		_, _ = io.WriteString(conn, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	}
	resp, err := openWatch(t.Context(), t, transport, address)
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "ok" {
		t.Errorf("behind a preliminary answer came %q, %v", body, err)
	}
	_ = resp.Body.Close()

	answer <- func(conn net.Conn) {
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	}
	if _, err := openWatch(t.Context(), t, transport, address); !errors.Is(err, errSwitched) {
		t.Errorf("another protocol: %v, want %v", err, errSwitched)
	}

	for _, length := range []int{100, 2 * watchReadBuffer} {
		answer <- func(conn net.Conn) {
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX: "+strings.Repeat("y", length)+"\r\n\r\n")
		}
		resp, err := openWatch(t.Context(), t, transport, address)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if long := length > watchReadBuffer; string(body) != "ok" || (err != nil) != long || long && !strings.Contains(err.Error(), "trailer") {
			t.Errorf("before a trailer of %d bytes came %q, %v", length, body, err)
		}
		_ = resp.Body.Close()
	}

	answer <- func(conn net.Conn) {
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n")
		for {
			if _, err := io.WriteString(conn, "X: "+strings.Repeat("y", 1000)+"\r\n"); err != nil {
				return
			}
		}
	}
	if _, err := openWatch(t.Context(), t, transport, address); !errors.Is(err, errHeadTooLong) {
		t.Errorf("an endless head: %v, want %v", err, errHeadTooLong)
	}

	transport.plain.ResponseHeaderTimeout = time.Millisecond
	answer <- func(net.Conn) {}
	if _, err := openWatch(t.Context(), t, transport, address); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("no answer: %v, want a timeout", err)
	}
}

func TestWatchTransportLeavesTheRestToAnother(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.URL.RawQuery) }))
	defer server.Close()
	transport := newWatchTransport(t, server)
	proxied := 0
	transport.plain.Proxy = func(*http.Request) (*url.URL, error) { proxied++; return nil, nil }
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"?limit=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, ours := resp.Body.(*watchBody); ours {
		t.Error("a list got a connection of its own")
	}
	if proxied == 0 {
		t.Error("http.Transport was not asked")
	}
}

// What idles must hold neither a goroutine nor a buffer of the socket's.
func TestIdleWatchHoldsNoGoroutine(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	defer server.Close()
	transport := newWatchTransport(t, server)
	resp, err := openWatch(t.Context(), t, transport, server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	buffer := make([]byte, 1<<20)
	// Those of connections that other tests have closed end on their own time.
	eventually(t, "no goroutine is in a transport", func() bool {
		stacks := string(buffer[:runtime.Stack(buffer, true)])
		for _, ofTransport := range []string{"persistConn", "readLoop", "writeLoop", "watchTransport"} {
			if strings.Contains(stacks, "net/http.(*"+ofTransport) || strings.Contains(stacks, ofTransport+")") {
				return false
			}
		}
		return true
	})
}
