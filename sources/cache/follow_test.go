package cache

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// fakeConnection is live for ever, to a server that tells what it has and
// answers nothing else.
type fakeConnection struct{ session *member.Session }

func newFakeConnection() *fakeConnection {
	s := &member.Session{UID: "u", Server: &url.URL{Scheme: "https", Host: "fake.invalid", Path: "/prefix"}}
	c := &fakeConnection{session: s}
	s.CallTransport, s.WatchTransport = c, c
	return c
}

func (c *fakeConnection) Link() member.Link {
	return member.Link{State: member.Live, Session: c.session}
}
func (*fakeConnection) Report(*member.Session, error) {}
func (*fakeConnection) SetStale(string, bool)         {}
func (*fakeConnection) RoundTrip(req *http.Request) (*http.Response, error) {
	body := map[string]string{
		"/prefix/api":    `{"kind": "APIVersions", "versions": ["v1"]}`,
		"/prefix/apis":   `{"kind": "APIGroupList", "apiVersion": "v1"}`,
		"/prefix/api/v1": `{"kind": "APIResourceList", "groupVersion": "v1", "resources": [{"name": "configmaps", "kind": "ConfigMap", "namespaced": true}]}`,
	}[req.URL.Path]
	if body == "" {
		<-req.Context().Done()
		return nil, req.Context().Err()
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(body)), Request: req,
	}, nil
}

// TestFollowEnds: a member whose server hangs in everything leaves at once, also
// when its connection does not.
func TestFollowEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, err := New(Options{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		if err := Kind(f, &corev1.ConfigMap{}, EnqueueRequestForObject).Start(ctx, newQueue()); err != nil {
			t.Fatal(err)
		}
		following, leave := context.WithCancel(ctx)
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := f.Follow(following, "a", newFakeConnection()); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		if err := f.Follow(ctx, "a", newFakeConnection()); err == nil {
			t.Error("a name twice")
		}
		c, err := f.Client("a")
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			if err := c.Get(ctx, client.ObjectKey{Namespace: "y", Name: "x"}, &corev1.ConfigMap{}); !errors.Is(err, ErrClusterGone) {
				t.Errorf("read under way: %v", err)
			}
		})
		wg.Go(func() {
			if err := c.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "y", Name: "x"}}); !errors.Is(err, ErrClusterGone) {
				t.Errorf("write under way: %v", err)
			}
		})
		time.Sleep(time.Second)
		start := time.Now()
		leave()
		wg.Wait()
		if took := time.Since(start); took > 0 {
			t.Errorf("it took %v", took)
		}
		if err := c.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "y", Name: "x"}}); !errors.Is(err, ErrClusterGone) {
			t.Errorf("write afterwards: %v", err)
		}
		if len(f.Clusters()) != 0 || f.State("a").State != Gone {
			t.Errorf("left behind: %v, %+v", f.Clusters(), f.State("a"))
		}
		cancel()
		synctest.Wait()
		if len(f.engagers) != 0 || len(f.queues) != 0 || len(f.statuses) != 0 {
			t.Errorf("left behind: %d sources, %d queues, %d statuses", len(f.engagers), len(f.queues), len(f.statuses))
		}
	})
}

func TestOutbound(t *testing.T) {
	for _, test := range []struct{ server, asked, want string }{
		{"https://host:1/", "/api/v1/pods?watch=true", "https://host:1/api/v1/pods?watch=true"},
		{"https://host/k8s/clusters/c-1", "/api/v1/pods", "https://host/k8s/clusters/c-1/api/v1/pods"},
		{"http://host/a%2Fb/", "/api/v1/x%2Fy", "http://host/a%2Fb/api/v1/x%2Fy"},
	} {
		server, err := url.Parse(test.server)
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequest(http.MethodGet, placeholder+test.asked, nil)
		if err != nil {
			t.Fatal(err)
		}
		out := outbound(t.Context(), req, &member.Session{Server: server})
		if got := out.URL.String(); got != test.want || out.Host != "" || req.URL.Host != "member.invalid" {
			t.Errorf("%s through %s: %s", test.asked, test.server, got)
		}
	}
}

// TestOutboundUser: who is named in a server's address is who asks, as with any
// client, unless the request says otherwise.
func TestOutboundUser(t *testing.T) {
	for _, test := range []struct{ server, header, want string }{
		{"https://host/", "", ""},
		{"https://user:pass@host/", "", "Basic dXNlcjpwYXNz"},
		{"https://user@host/prefix", "", "Basic dXNlcjo="},
		{"https://user:pass@host/", "Bearer own", "Bearer own"},
	} {
		server, err := url.Parse(test.server)
		if err != nil {
			t.Fatal(err)
		}
		req := &http.Request{Method: http.MethodGet, URL: &url.URL{Scheme: "https", Host: "member.invalid", Path: "/api"}, Header: http.Header{}}
		if test.header != "" {
			req.Header.Set("Authorization", test.header)
		}
		out := outbound(t.Context(), req, &member.Session{Server: server})
		if got := out.Header.Get("Authorization"); got != test.want {
			t.Errorf("%s with %q: %q, want %q", test.server, test.header, got, test.want)
		}
		if got := req.Header.Get("Authorization"); got != test.header {
			t.Errorf("the caller's request has changed: %q", got)
		}
	}
}
