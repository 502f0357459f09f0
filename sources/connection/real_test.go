package connection

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/internal/leaks"
	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// TestRealServer is everything that a fake would only pretend, on one
// kube-apiserver.
func TestRealServer(t *testing.T) {
	cluster := testenv.Start(t, testenv.Spec{Name: "member"}).Clusters[0]
	config := Config{ConnectTimeout: 3 * time.Second, ReconnectMin: 50 * time.Millisecond, ReconnectMax: 500 * time.Millisecond}
	connect := func(t *testing.T, cfg *rest.Config) *Connection {
		c := newConnection(t, Options{REST: cfg, Config: config})
		t.Cleanup(running(t, c))
		return c
	}
	becomes := func(t *testing.T, c *Connection, want member.State) {
		t.Helper()
		eventually(t, fmt.Sprintf("state %q", want), func() bool { return c.Status().State == want })
	}

	t.Run("identity and session", func(t *testing.T) {
		httpClient, err := rest.HTTPClientFor(cluster.Config())
		if err != nil {
			t.Fatal(err)
		}
		defer httpClient.CloseIdleConnections()
		client, err := kubernetes.NewForConfigAndClient(cluster.Config(), httpClient)
		if err != nil {
			t.Fatal(err)
		}
		ns, err := client.CoreV1().Namespaces().Get(t.Context(), "kube-system", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		c := connect(t, cluster.Config())
		s := acquire(t, c)
		if s.UID != string(ns.UID) {
			t.Errorf("UID %q, want %q", s.UID, ns.UID)
		}
		if st := c.Status(); !strings.HasPrefix(st.ServerVersion, "v1.") || st.ByDigest {
			t.Errorf("status %+v", st)
		}
		lists, err := s.Discovery.ServerPreferredResources()
		if err != nil || len(lists) < 10 {
			t.Errorf("discovery: %d groups, %v", len(lists), err)
		}
		var got metav1.PartialObjectMetadata
		if err := s.Calls.Get().AbsPath(identityPath).SetHeader("Accept", acceptIdentity).Do(t.Context()).Into(&got); err != nil || got.UID != ns.UID {
			t.Errorf("a decoding call: %v, %v", got.UID, err)
		}
		// A new watch tells of every namespace there is.
		first := make([]byte, 64)
		body := realWatch(t.Context(), t, s)
		defer func() { _ = body.Close() }()
		if _, err := io.ReadFull(body, first); err != nil || !strings.HasPrefix(string(first), `{"type":"ADDED"`) {
			t.Errorf("watch: %q, %v", first, err)
		}
	})

	t.Run("user without rights", func(t *testing.T) {
		cfg, err := cluster.User("nobody")
		if err != nil {
			t.Fatal(err)
		}
		c := connect(t, cfg)
		if s := acquire(t, c); !strings.HasPrefix(s.UID, "digest-") {
			t.Errorf("UID %q", s.UID)
		}
		if st := c.Status(); !st.ByDigest || st.State != member.Live || st.ServerVersion == "" {
			t.Errorf("status %+v", st)
		}
		// The same server, read by someone who may and then by someone who may
		// not: a UID takes the place of the digest, and keeps it.
		c.SetREST(cluster.Config())
		uid := acquire(t, c).UID
		if st := c.Status(); strings.HasPrefix(uid, "digest-") || st.ByDigest {
			t.Errorf("UID %q, status %+v", uid, st)
		}
		c.SetREST(cfg)
		if s := acquire(t, c); s.UID != uid {
			t.Errorf("UID %q, was %q", s.UID, uid)
		}
	})

	t.Run("credentials", func(t *testing.T) {
		cfg := cluster.Config()
		cfg.CertData, cfg.KeyData, cfg.BearerToken = nil, nil, "this-token-is-not-known"
		c := connect(t, cfg)
		becomes(t, c, member.Waiting)
		if st := c.Status(); st.Reason != reasonCredentials || strings.Contains(fmt.Sprintf("%+v", st), cfg.BearerToken) {
			t.Errorf("status %+v", st)
		}
		c.SetREST(cluster.Config())
		acquire(t, c)
	})

	t.Run("wrong CA", func(t *testing.T) {
		cfg := cluster.Config()
		cfg.CAData = newServer(t, true).rest().CAData
		c := connect(t, cfg)
		// Before, a server that is slow may have answered nothing.
		eventually(t, "it says why", func() bool { return strings.Contains(c.Status().LastError, "x509") })
		becomes(t, c, member.BackingOff)
	})

	t.Run("hangs", func(t *testing.T) {
		c := connect(t, cluster.Config())
		s := acquire(t, c)
		if err := cluster.Pause(); err != nil {
			t.Fatal(err)
		}
		c.Report(s, context.DeadlineExceeded)
		becomes(t, c, member.BackingOff)
		if st := c.Status(); st.Reason != resultTimeout {
			t.Errorf("status %+v", st)
		}
		if err := cluster.Resume(); err != nil {
			t.Fatal(err)
		}
		if acquire(t, c) != s {
			t.Error("another session")
		}
	})

	t.Run("stops and starts again", func(t *testing.T) {
		c := connect(t, cluster.Config())
		s := acquire(t, c)
		body := realWatch(t.Context(), t, s)
		defer func() { _ = body.Close() }()
		if err := cluster.Stop(); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, body); err != nil {
			c.Report(s, err)
		}
		_, err := s.Watches.Get().AbsPath("/api/v1/namespaces").Param("watch", "true").MaxRetries(0).Stream(t.Context())
		if err == nil {
			t.Fatal("a watch on a stopped server")
		}
		c.Report(s, err)
		becomes(t, c, member.BackingOff)
		if err := cluster.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if acquire(t, c) != s || isClosed(s.Changed) {
			t.Error("another session")
		}
		body = realWatch(t.Context(), t, s)
		_ = body.Close()
	})

	t.Run("members come and go", func(t *testing.T) {
		before := goleak.IgnoreCurrent()
		for round := range 50 {
			c := newConnection(t, Options{Cluster: fmt.Sprint("member-", round), REST: cluster.Config()})
			stop := running(t, c)
			s := acquire(t, c)
			body := realWatch(t.Context(), t, s)
			if err := call(t, s); err != nil {
				t.Error(err)
			}
			if round%5 == 0 {
				c.SetREST(cluster.Config())
				acquire(t, c)
			}
			stop()
			if _, err := io.Copy(io.Discard, body); err == nil {
				t.Error("the watch outlives its connection")
			}
			_ = body.Close()
		}
		if err := leaks.Find(before); err != nil {
			t.Error(err)
		}
	})
}

// TestRealOutage: backoff alone would take half an hour.
func TestRealOutage(t *testing.T) {
	cluster := testenv.Start(t, testenv.Spec{Name: "member"}).Clusters[0]
	proxy, err := cluster.NewProxy()
	if err != nil {
		t.Fatal(err)
	}
	config := Config{ReconnectMin: time.Hour, ReconnectMax: time.Hour, ReachInterval: 2 * time.Second}
	for name, cut := range map[string]func() error{
		"refused":    func() error { proxy.Cut(); return nil },
		"black hole": proxy.BlackHole,
		// The probe that hangs has no connection in common with what is asked.
		"black hole, then refused": func() error { defer proxy.Cut(); return proxy.BlackHole() },
	} {
		t.Run(name, func(t *testing.T) {
			c := newConnection(t, Options{REST: proxy.Config(), Config: config})
			defer running(t, c)()
			s := acquire(t, c)
			body := realWatch(t.Context(), t, s)
			defer func() { _ = body.Close() }()
			defer func() { _ = proxy.Restore() }()
			if err := cut(); err != nil {
				t.Fatal(err)
			}
			c.mu.Lock()
			c.lastProbe = time.Time{} // else it would be too soon for another one
			c.mu.Unlock()
			c.Report(s, io.ErrUnexpectedEOF)
			eventually(t, "it is found out that nobody answers", func() bool { return c.Status().ReachabilityProbes[reachUnanswered] >= 2 })
			if st := c.Status(); st.State == member.Live || st.ReachabilityProbes[reachAnswered] > 0 {
				t.Errorf("status %+v", st)
			}
			if err := proxy.Restore(); err != nil {
				t.Fatal(err)
			}
			eventually(t, "it is live", func() bool { return c.Status().State == member.Live })
			if acquire(t, c) != s || isClosed(s.Changed) {
				t.Error("another session")
			}
			after := realWatch(t.Context(), t, s)
			_ = after.Close()
		})
	}
}

func realWatch(ctx context.Context, t *testing.T, s *member.Session) io.ReadCloser {
	t.Helper()
	body, err := s.Watches.Get().AbsPath("/api/v1/namespaces").Param("watch", "true").MaxRetries(0).Stream(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return body
}
