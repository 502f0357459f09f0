package connection

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"k8s.io/client-go/rest"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/client-go/util/flowcontrol"

	"github.com/fairlead-dev/fairlead/internal/apistatus"
	"github.com/fairlead-dev/fairlead/internal/leaks"
)

func TestWatchesHaveTheirOwnConnections(t *testing.T) {
	for _, tls := range []bool{true, false} {
		t.Run(fmt.Sprintf("tls=%v", tls), func(t *testing.T) {
			srv := newServer(t, tls)
			c := newConnection(t, Options{REST: srv.rest()})
			stop := running(t, c)
			defer stop()
			s := acquire(t, c)
			before := srv.open()
			const watches = 5
			for range watches {
				body := watch(t.Context(), t, s)
				defer func() { _ = body.Close() }()
				if p := srv.last().Proto; p != "HTTP/1.1" {
					t.Errorf("a watch speaks %s", p)
				}
			}
			if n := srv.open() - before; n != watches {
				t.Errorf("%d connections for %d watches", n, watches)
			}
			if err := call(t, s); err != nil {
				t.Error(err)
			}
			if p := srv.last().Proto; (p == "HTTP/2.0") != tls {
				t.Errorf("a call speaks %s", p)
			}
			if srv.last().Header.Get("Authorization") != "Bearer top-secret-token" {
				t.Error("the token is missing")
			}
		})
	}
}

// TestEndedSessionIsCut: whoever overlooks Changed loses the socket, so that
// revoked credentials are not used on and nothing leaks.
func TestEndedSessionIsCut(t *testing.T) {
	srv := newServer(t, true)
	c := newConnection(t, Options{REST: srv.rest()})
	stop := running(t, c)
	defer stop()
	body := watch(t.Context(), t, acquire(t, c))
	defer func() { _ = body.Close() }()
	c.Pause()
	c.mu.Lock()
	if len(c.retired) != 1 || time.Until(c.retired[0].cut) > cutAfter {
		t.Errorf("retired %+v", c.retired)
	}
	c.retired[0].cut = time.Now() // do not wait for it
	c.mu.Unlock()
	c.nudge()
	if _, err := body.Read(make([]byte, 1)); err == nil {
		t.Error("the watch is still open")
	}
	eventually(t, "all connections are closed", func() bool { return srv.open() == 0 })

	c.Resume()
	s := acquire(t, c)
	second := watch(t.Context(), t, s)
	defer func() { _ = second.Close() }()
	stop()
	if _, err := second.Read(make([]byte, 1)); err == nil {
		t.Error("the watch outlives Run")
	}
	if _, err := s.Watches.Get().AbsPath("/watch").MaxRetries(0).Stream(t.Context()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a dial after the end: %v", err)
	}
	eventually(t, "all connections are closed", func() bool { return srv.open() == 0 })
}

// TestNothingIsLeftBehind: members come and go, with everything that makes
// client-go keep transports or start goroutines.
func TestNothingIsLeftBehind(t *testing.T) {
	srv := newServer(t, true)
	dir := t.TempDir()
	certFile, keyFile := clientCertificate(t, dir)
	caFile := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(caFile, srv.rest().CAData, 0o600); err != nil {
		t.Fatal(err)
	}
	tokenFile := filepath.Join(dir, "token")
	if err := os.WriteFile(tokenFile, []byte("token-from-a-file"), 0o600); err != nil {
		t.Fatal(err)
	}
	before := goleak.IgnoreCurrent()
	for round := range 50 {
		cfg := srv.rest()
		cfg.BearerToken, cfg.CAData = "", nil
		cfg.CAFile, cfg.CertFile, cfg.KeyFile = caFile, certFile, keyFile
		if round%2 == 0 {
			cfg.BearerTokenFile = tokenFile
		}
		c := newConnection(t, Options{Cluster: fmt.Sprint("member-", round), REST: cfg})
		stop := running(t, c)
		s := acquire(t, c)
		ctx, cancel := context.WithCancel(t.Context())
		body := watch(ctx, t, s)
		if round%3 == 0 {
			c.SetREST(cfg)
			s = acquire(t, c)
		}
		if err := call(t, s); err != nil {
			t.Fatal(err)
		}
		if want := map[bool]string{true: "Bearer token-from-a-file"}[round%2 == 0]; srv.last().Header.Get("Authorization") != want {
			t.Errorf("round %d: Authorization %q", round, srv.last().Header.Get("Authorization"))
		}
		stop()
		cancel()
		_ = body.Close()
	}
	eventually(t, "all connections are closed", func() bool { return srv.open() == 0 })
	if err := leaks.Find(before); err != nil {
		t.Error(err)
	}
}

func TestHeadersAndPathOfTheConfiguration(t *testing.T) {
	srv := newServer(t, false)
	cfg := srv.rest()
	cfg.Host += "/prefix"
	cfg.BearerToken = ""
	cfg.Username, cfg.Password = "ada", "top-secret-password"
	cfg.Impersonate = rest.ImpersonationConfig{UserName: "fairlead", Groups: []string{"viewers"}}
	cfg.UserAgent, cfg.Timeout, cfg.QPS, cfg.Burst = "other", time.Nanosecond, 1e-9, 1
	c := newConnection(t, Options{REST: cfg, UserAgent: "fairlead/v1.2.3"})
	stop := running(t, c)
	defer stop()
	s := acquire(t, c)
	for _, client := range []rest.Interface{s.Watches, s.Calls} {
		if err := client.Get().AbsPath("/x").Do(t.Context()).Error(); err != nil {
			t.Fatal(err)
		}
		req := srv.last()
		user, password, _ := req.BasicAuth()
		if user != "ada" || password != "top-secret-password" || req.Header.Get("Impersonate-User") != "fairlead" ||
			req.Header.Get("Impersonate-Group") != "viewers" || req.UserAgent() != "fairlead/v1.2.3" || req.URL.Path != "/prefix/x" {
			t.Errorf("%s %v", req.URL, req.Header)
		}
	}
}

func TestProxyOfTheConfiguration(t *testing.T) {
	srv := newServer(t, true)
	var mu sync.Mutex
	var asked []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		mu.Lock()
		asked = append(asked, req.Method+" "+req.Host)
		mu.Unlock()
		out, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			t.Error(err)
			return
		}
		in, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(in, "HTTP/1.1 200 OK\r\n\r\n")
		var both sync.WaitGroup
		both.Go(func() { _, _ = io.Copy(out, in); _ = out.Close() })
		both.Go(func() { _, _ = io.Copy(in, out); _ = in.Close() })
		both.Wait()
	}))
	defer proxy.Close()
	address, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	cfg := srv.rest()
	cfg.Host, cfg.ServerName = "https://unknown.example:6443", "example.com"
	cfg.Proxy = http.ProxyURL(address)
	c := newConnection(t, Options{REST: cfg})
	stop := running(t, c)
	defer stop()
	body := watch(t.Context(), t, acquire(t, c))
	_ = body.Close()
	mu.Lock()
	defer mu.Unlock()
	if len(asked) != 2 || asked[0] != "CONNECT unknown.example:6443" {
		t.Errorf("the proxy was asked for %q", asked)
	}
}

func TestCredentialPlugin(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("needs a shell script")
	}
	srv := newServer(t, true)
	plugin := filepath.Join(t.TempDir(), "plugin.sh")
	script := "#!/bin/sh\necho '" + `{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"'$TOKEN'"}}` + "'\n"
	if err := os.WriteFile(plugin, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	cfg := srv.rest()
	cfg.BearerToken = ""
	cfg.ExecProvider = &clientcmdapi.ExecConfig{
		APIVersion: "client.authentication.k8s.io/v1", Command: plugin,
		Env: []clientcmdapi.ExecEnvVar{{Name: "TOKEN", Value: "from-a-plugin"}},
	}
	c := newConnection(t, Options{REST: cfg})
	stop := running(t, c)
	defer stop()
	s := acquire(t, c)
	body := watch(t.Context(), t, s)
	if got := srv.last().Header.Get("Authorization"); got != "Bearer from-a-plugin" {
		t.Errorf("Authorization %q", got)
	}
	_ = body.Close()
	if cfg.ExecProvider.StdinUnavailable {
		t.Error("the caller's configuration was modified")
	}
}

func TestHostileAnswers(t *testing.T) {
	srv := newServer(t, false)
	c := newConnection(t, Options{REST: srv.rest()})
	stop := running(t, c)
	defer stop()
	s := acquire(t, c)
	err := s.Calls.Get().AbsPath("/redirect").MaxRetries(0).Do(t.Context()).Error()
	if apistatus.Of(err).Code != 302 || strings.Contains(err.Error(), "elsewhere") {
		t.Errorf("a redirect to elsewhere: %v", err)
	}
	if err := s.Calls.Get().AbsPath("/moved").MaxRetries(0).Do(t.Context()).Error(); err != nil {
		t.Errorf("a redirect within the server: %v", err)
	}
	res := s.Calls.Get().AbsPath("/huge").MaxRetries(0).Do(t.Context())
	if err := res.Error(); apistatus.Of(err).Code != 500 || !strings.Contains(err.Error(), "may take in memory") {
		t.Errorf("an error without end: %v", res.Error())
	}
}

func TestDigest(t *testing.T) {
	digest := func(cfg *rest.Config) string {
		t.Helper()
		c, err := newClients(cfg, clientOptions{limiter: flowcontrol.NewFakeAlwaysRateLimiter(), userAgent: "x", connectTimeout: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		return c.digest
	}
	srv := newServer(t, true)
	ca := srv.rest().CAData
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, ca, 0o600); err != nil {
		t.Fatal(err)
	}
	base := digest(&rest.Config{Host: "https://a.example:6443", TLSClientConfig: rest.TLSClientConfig{CAData: ca}})
	for name, tt := range map[string]struct {
		cfg  rest.Config
		same bool
	}{
		"token, slash, case": {rest.Config{Host: "https://A.example:6443/", BearerToken: "t", TLSClientConfig: rest.TLSClientConfig{CAData: ca}}, true},
		"CA from a file":     {rest.Config{Host: "https://a.example:6443", TLSClientConfig: rest.TLSClientConfig{CAFile: file}}, true},
		"other host":         {rest.Config{Host: "https://b.example:6443", TLSClientConfig: rest.TLSClientConfig{CAData: ca}}, false},
		"other path":         {rest.Config{Host: "https://a.example:6443/k8s/c1", TLSClientConfig: rest.TLSClientConfig{CAData: ca}}, false},
		"other CA":           {rest.Config{Host: "https://a.example:6443", TLSClientConfig: rest.TLSClientConfig{CAData: append([]byte("#\n"), ca...)}}, false},
		"no CA":              {rest.Config{Host: "https://a.example:6443"}, false},
	} {
		if got := digest(&tt.cfg); (got == base) != tt.same || !plausibleUID.MatchString(got) {
			t.Errorf("%s: %s, base %s", name, got, base)
		}
	}
}
