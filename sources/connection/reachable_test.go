package connection

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/flowcontrol"

	"github.com/fairlead-dev/fairlead/internal/loopback"
)

func clientsOf(t *testing.T, cfg *rest.Config, p *plugin) *clients {
	t.Helper()
	c, err := newClients(cfg, clientOptions{
		limiter: flowcontrol.NewFakeAlwaysRateLimiter(), userAgent: "fairlead/test", connectTimeout: time.Minute, plugin: p,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.close)
	return c
}

// listener accepts connections and does with each of them what it is told.
func listener(t *testing.T, with func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conns.Go(func() {
				with(conn)
				_ = conn.Close()
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		conns.Wait()
	})
	return l.Addr().String()
}

// proxyThat answers CONNECT with a status.
func proxyThat(t *testing.T, code int) func(*http.Request) (*url.URL, error) {
	address := listener(t, func(conn net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
			_, _ = io.WriteString(conn, "HTTP/1.1 "+strconv.Itoa(code)+" "+http.StatusText(code)+"\r\nContent-Length: 0\r\n\r\n")
		}
	})
	return http.ProxyURL(&url.URL{Scheme: "http", Host: address})
}

// TestNoAnswer tells the silence of a member from what it, or something in front of
// it, has to say.
func TestNoAnswer(t *testing.T) {
	closed := func(net.Conn) {}
	reads := func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }
	srv := newServer(t, true)
	wantsCertificate := httptest.NewUnstartedServer(http.NotFoundHandler())
	wantsCertificate.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	wantsCertificate.StartTLS()
	defer wantsCertificate.Close()
	port, err := loopback.Reserve()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = port.Release() }()
	gone := fmt.Sprint("127.0.0.1:", port.Number)
	through := func(proxy func(*http.Request) (*url.URL, error)) *rest.Config {
		cfg := srv.rest()
		cfg.Proxy = proxy
		return cfg
	}
	insecure := rest.TLSClientConfig{Insecure: true}
	for name, tt := range map[string]struct {
		cfg      *rest.Config
		answered bool
	}{
		"nobody listens":                {&rest.Config{Host: "https://" + gone}, false},
		"a balancer without backends":   {&rest.Config{Host: "https://" + listener(t, closed)}, false},
		"the same without TLS":          {&rest.Config{Host: "http://" + listener(t, closed)}, false},
		"a black hole behind a port":    {&rest.Config{Host: "https://" + listener(t, reads)}, false},
		"the same behind TLS":           {&rest.Config{Host: "https://" + listener(t, func(conn net.Conn) { reads(tls.Server(conn, srv.TLS)) }), TLSClientConfig: insecure}, false},
		"an API server":                 {srv.rest(), true},
		"another CA":                    {&rest.Config{Host: srv.URL}, true},
		"a certificate is wanted":       {&rest.Config{Host: wantsCertificate.URL, TLSClientConfig: insecure}, true},
		"HTTP where TLS is spoken":      {&rest.Config{Host: strings.Replace(newServer(t, false).URL, "http:", "https:", 1)}, true},
		"TLS where HTTP is spoken":      {&rest.Config{Host: strings.Replace(srv.URL, "https:", "http:", 1)}, true},
		"something else":                {&rest.Config{Host: "http://" + listener(t, func(conn net.Conn) { _, _ = io.WriteString(conn, "SSH-2.0-OpenSSH_9.2\r\n\r\n"); reads(conn) })}, true},
		"a proxy that cannot reach it":  {through(proxyThat(t, http.StatusBadGateway)), false},
		"a proxy that wants a password": {through(proxyThat(t, http.StatusProxyAuthRequired)), true},
		"a proxy that does not allow":   {through(proxyThat(t, http.StatusForbidden)), true},
		"no proxy":                      {through(http.ProxyURL(&url.URL{Scheme: "http", Host: gone})), false},
		"a SOCKS proxy that hangs up":   {through(http.ProxyURL(&url.URL{Scheme: "socks5", Host: listener(t, closed)})), false},
		"no SOCKS proxy":                {through(http.ProxyURL(&url.URL{Scheme: "socks5", Host: gone})), false},
		"no such name": {&rest.Config{Host: "https://member.example", Dial: func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "member.example", IsNotFound: true}}
		}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			c := clientsOf(t, tt.cfg, nil)
			timeout := time.Minute
			if strings.Contains(name, "same behind TLS") || strings.Contains(name, "black hole") {
				timeout = 100 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(t.Context(), timeout)
			defer cancel()
			if err := c.reach(ctx); noAnswer(err) == tt.answered {
				t.Errorf("a reachability probe: answered %v: %v", !tt.answered, err)
			}
			ctx, cancel = context.WithTimeout(t.Context(), timeout)
			defer cancel()
			if out := probe(ctx, c, false, true); noAnswer(out.err) == tt.answered {
				t.Errorf("a probe: answered %v: %v", !tt.answered, out.err)
			}
			c.close()
			if open := len(c.dialer.open); open > 0 {
				t.Errorf("%d connections are left", open)
			}
		})
	}
}

// A connection that net/http closes while it writes to it has been answered: with what
// nobody has asked for.
func TestClosedWhileWritten(t *testing.T) {
	for _, test := range []struct {
		cause  error
		silent bool
	}{{net.ErrClosed, false}, {syscall.EPIPE, true}} {
		err := &url.Error{Op: "Get", Err: fmt.Errorf("net/http: transport connection broken: %w", &net.OpError{Op: "write", Net: "tcp", Err: test.cause})}
		if noAnswer(err) != test.silent {
			t.Errorf("%v: silent %v", err, !test.silent)
		}
	}
}

// TestReachIsNobody: a reachability probe goes where requests go, with nothing of
// what they carry; it does not wait for a plugin, and goes nowhere else.
func TestReachIsNobody(t *testing.T) {
	var elsewhere atomic.Bool
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Store(true) }))
	defer other.Close()
	for _, how := range []string{"token", "certificate", "password", "plugin"} {
		t.Run(how, func(t *testing.T) {
			var requests atomic.Int64
			srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				requests.Add(1)
				if len(req.TLS.PeerCertificates) > 0 || req.Header.Get("Authorization") != "" || req.Header.Get("Impersonate-User") != "" ||
					req.URL.Path != "/prefix/version" || req.Method != http.MethodGet || req.UserAgent() != "fairlead/test" || req.Host != "member.example" {
					t.Errorf("%s %s%s: %v, %d certificates", req.Method, req.Host, req.URL, req.Header, len(req.TLS.PeerCertificates))
				}
				http.Redirect(w, req, other.URL, http.StatusFound)
			}))
			srv.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
			srv.StartTLS()
			defer srv.Close()
			cfg := (&server{Server: srv}).rest()
			cfg.Host, cfg.ServerName, cfg.BearerToken = "https://member.example/prefix", "example.com", ""
			cfg.Impersonate.UserName = "ada"
			cfg.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				if address != "member.example:443" {
					t.Errorf("dialed %s", address)
				}
				return (&net.Dialer{}).DialContext(ctx, network, srv.Listener.Addr().String())
			}
			var p *plugin
			switch how {
			case "token":
				cfg.BearerToken = "top-secret-token"
			case "certificate":
				cfg.CertFile, cfg.KeyFile = clientCertificate(t, t.TempDir())
			case "password":
				cfg.Username, cfg.Password = "ada", "top-secret-password"
			case "plugin":
				script := newScript(t) // hangs
				cfg.ExecProvider = script.rest(&server{Server: srv}).ExecProvider
				p = pluginOf(cfg, nil, func(line string) string { return line })
				defer p.stop()
				defer func() {
					if script.starts() > 0 {
						t.Error("the plugin has run")
					}
				}()
			}
			c := clientsOf(t, cfg, p)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			for range 3 {
				if err := c.reach(ctx); err != nil {
					t.Error(err)
				}
			}
			if requests.Load() != 3 || elsewhere.Load() {
				t.Errorf("%d requests, elsewhere: %v", requests.Load(), elsewhere.Load())
			}
			eventually(t, "the connections are closed", func() bool {
				c.dialer.mu.Lock()
				defer c.dialer.mu.Unlock()
				return len(c.dialer.open) == 0
			})
		})
	}
}

// TestPluginNeedsANetwork: a plugin that fails in an outage is asked again once
// the member answers; one that fails by itself is no reason to ask anybody twice.
func TestPluginNeedsANetwork(t *testing.T) {
	fails := func(*http.Request) (*http.Response, error) {
		return nil, &pluginError{command: "plugin", err: errors.New("dial tcp: lookup sts.example: no such host")}
	}
	config := Config{ReconnectMin: time.Minute}
	bubbleWith(t, Options{Config: config}, by(fails, refused), func(t *testing.T, c *Connection, m *fakeMember) {
		time.Sleep(10 * time.Minute)
		m.set(nil)
		time.Sleep(reachBound)
		if s := c.Status(); s.Attempt != 0 || s.Reason != "" {
			t.Errorf("status %+v", s)
		}
	})
	bubbleWith(t, Options{Config: config}, by(fails, healthy(uidA)), func(t *testing.T, c *Connection, m *fakeMember) {
		time.Sleep(time.Hour)
		if probes, asked := m.probed(), len(m.asked()); asked > probes || probes > 150 {
			t.Errorf("%d probes, %d reachability probes", probes, asked)
		}
		if s := c.Status(); s.Reason != reasonPluginFails {
			t.Errorf("status %+v", s)
		}
	})
}
