package clusters_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/fairlead-dev/fairlead/locks/clusters"
)

// api answers as three clusters without a Lease do, one below each path.
type api struct {
	*httptest.Server
	status  atomic.Int64 // of the answer about a Lease; 0: none until the request is given up
	uid     atomic.Value // of all namespaces; empty: the right one
	asked   atomic.Int64 // how often for a UID
	reloads atomic.Int64
}

func newAPI(t *testing.T) *api {
	t.Helper()
	a := &api{}
	a.status.Store(http.StatusNotFound)
	a.uid.Store("")
	a.Server = httptest.NewServer(a)
	t.Cleanup(a.Close)
	return a
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/namespaces/kube-system") {
		a.asked.Add(1)
		uid := a.uid.Load().(string)
		if uid == "" {
			uid = "uid-" + r.URL.Path[1:2]
		}
		_, _ = fmt.Fprintf(w, `{"metadata":{"uid":%q}}`, uid)
		return
	}
	status := int(a.status.Load())
	if status == 0 {
		<-r.Context().Done()
		return
	}
	w.WriteHeader(status)
	if status == http.StatusNotFound {
		_, _ = io.WriteString(w, `{"kind":"Status","code":404,"reason":"NotFound","details":{"kind":"leases"}}`)
	}
}

// voters are three, with a configuration of their own each.
func (a *api) voters(change func(*rest.Config)) []clusters.Voter {
	var voters []clusters.Voter
	for i := range 3 {
		name := fmt.Sprint(i)
		voters = append(voters, clusters.Voter{Name: name, UID: types.UID("uid-" + name), Reload: func(context.Context) (*rest.Config, error) {
			a.reloads.Add(1)
			config := &rest.Config{Host: a.URL + "/" + name}
			change(config)
			return config, nil
		}})
	}
	return voters
}

// fixed returns voters that have no Reload, and no UID.
func fixed(t *testing.T, voters []clusters.Voter) []clusters.Voter {
	t.Helper()
	for i := range voters {
		config, err := voters[i].Reload(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		voters[i].Config, voters[i].Reload, voters[i].UID = config, nil, ""
	}
	return voters
}

// impatient returns a lock whose requests end soon. The caller closes it.
func impatient(t *testing.T, voters []clusters.Voter) *clusters.Lock {
	t.Helper()
	return within(t, voters, 300*time.Millisecond)
}

func within(t *testing.T, voters []clusters.Voter, timeout time.Duration) *clusters.Lock {
	t.Helper()
	l, err := clusters.New(voters, clusters.Options{Namespace: "ns", Name: "lock", Identity: "me", Timeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// getsThere asks until the voters answer, which have no record.
func getsThere(t *testing.T, l *clusters.Lock) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, _, err := l.Get(ctx)
	for ; !apierrors.IsNotFound(err); _, _, err = l.Get(ctx) {
		if ctx.Err() != nil {
			t.Fatal(err)
		}
	}
}

// TestLateAnswers: after a request that was not answered in time the configuration is not
// read again. After one that was refused, or that met another cluster, it is. The UID is
// asked for once at each connection.
func TestLateAnswers(t *testing.T) {
	a := newAPI(t)
	l := within(t, a.voters(func(*rest.Config) {}), clusters.DefaultTimeout)
	defer func() { _ = l.Close() }()
	for _, step := range []struct {
		status         int
		uid            string
		wants          string
		reloads, asked int64 // all together, at each voter
	}{
		{0, "", "no answer within", 1, 1},
		{0, "", "no answer within", 1, 1},
		{http.StatusNotFound, "", "not found", 1, 2},
		{http.StatusServiceUnavailable, "", "503", 1, 2},
		{http.StatusForbidden, "", "403", 1, 2},
		{http.StatusNotFound, "other", "another cluster", 2, 3},
		{http.StatusNotFound, "other", "another cluster", 3, 4},
		{http.StatusNotFound, "", "not found", 4, 5},
		{http.StatusNotFound, "", "not found", 4, 5},
	} {
		a.status.Store(int64(step.status))
		a.uid.Store(step.uid)
		err := clusters.Look(t.Context(), l)
		wants(t, err, step.wants)
		if reloads, asked := a.reloads.Load(), a.asked.Load(); reloads != 3*step.reloads || asked != 3*step.asked {
			t.Errorf("%+v: three voters were read %d times, and asked for their UID %d times", step, reloads, asked)
		}
	}
}

// TestAnAddressThatLeadsElsewhere: a connection that is made later may lead to another
// cluster. What that answers counts for nobody, until it is the one that is meant again.
func TestAnAddressThatLeadsElsewhere(t *testing.T) {
	a := newAPI(t)
	voters := a.voters(func(*rest.Config) {})
	uids := []types.UID{voters[0].UID, voters[1].UID, voters[2].UID}
	voters = fixed(t, voters) // by one configuration all the time
	for i := range voters {
		voters[i].UID = uids[i]
	}
	l := within(t, voters, clusters.DefaultTimeout)
	defer func() { _ = l.Close() }()
	getsThere(t, l)
	for _, status := range []int64{http.StatusNotFound, http.StatusConflict} {
		a.uid.Store("other")
		a.status.Store(status)
		a.CloseClientConnections()
		for range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			_, _, err := l.Get(ctx)
			cancel()
			if err == nil || apierrors.IsNotFound(err) {
				t.Fatalf("another cluster has a vote: %v", err)
			}
			wants(t, err, "another cluster")
			err = l.Create(t.Context(), resourcelock.LeaderElectionRecord{HolderIdentity: "me", LeaseDurationSeconds: 15})
			if err == nil || apierrors.IsAlreadyExists(err) {
				t.Errorf("Create: %v", err)
			}
		}
		a.uid.Store("")
		a.status.Store(http.StatusNotFound)
		a.CloseClientConnections()
		getsThere(t, l)
	}
}

// TestBlackHole: a connection that is never made is given up, and the next request makes
// another one.
func TestBlackHole(t *testing.T) {
	a := newAPI(t)
	l := impatient(t, fixed(t, a.voters(func(config *rest.Config) {
		var dials atomic.Int64
		config.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			if dials.Add(1) == 1 {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return (&net.Dialer{}).DialContext(ctx, network, address)
		}
	})))
	defer func() { _ = l.Close() }()
	getsThere(t, l)
}

// plugin is a transport that knows no context, as client-go's that runs a credential
// plugin.
type plugin struct {
	next          http.RoundTripper
	running, most *atomic.Int64
	end           <-chan struct{}
}

func (p plugin) RoundTrip(r *http.Request) (*http.Response, error) {
	if n := p.running.Add(1); n > p.most.Load() {
		p.most.Store(n)
	}
	defer p.running.Add(-1)
	<-p.end
	return p.next.RoundTrip(r)
}

// TestPluginThatHangs: calls end all the same, also without a deadline, and so does
// Close. When the plugin goes on, so does the lock.
func TestPluginThatHangs(t *testing.T) {
	a := newAPI(t)
	end := make(chan struct{})
	var running, most atomic.Int64
	voters := a.voters(func(config *rest.Config) {
		config.WrapTransport = func(next http.RoundTripper) http.RoundTripper { return plugin{next, &running, &most, end} }
	})
	closed, goesOn := impatient(t, voters), impatient(t, voters)
	ended := make(chan error, 1)
	go func() {
		for range 3 {
			_, _, err := closed.Get(context.Background())
			if err == nil || apierrors.IsNotFound(err) {
				ended <- fmt.Errorf("the plugin hangs, and Get returns %w", err)
				return
			}
		}
		ended <- closed.Close()
	}()
	limit := time.NewTimer(patience / 2)
	defer limit.Stop()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-limit.C:
		t.Error("it hangs with the plugin")
	}
	if n := most.Load(); n > 3 {
		t.Errorf("%d plugins run at a time for three voters", n)
	}
	close(end)
	getsThere(t, goesOn)
	_ = goesOn.Close()
}

// hostile answers each request with what it makes of its head.
func hostile(t *testing.T, respond func(head string) string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() {
		_ = listener.Close()
		<-done
	})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			head := make([]byte, 4<<10)
			n, _ := conn.Read(head)
			_, _ = io.WriteString(conn, respond(string(head[:n])))
			_ = conn.Close()
		}
	}()
	return "http://" + listener.Addr().String()
}

// TestAnswersAreNotQuoted: what a server sends that speaks no HTTP may be the credentials
// that it was sent, and long.
func TestAnswersAreNotQuoted(t *testing.T) {
	const secret = "a-secret-token"
	backwards := func(s string) string {
		var b strings.Builder
		for i := range len(s) {
			b.WriteByte(s[len(s)-1-i])
		}
		return b.String()
	}
	echo := func(head string) string { // as lines of a head without a colon
		return strings.Join(strings.FieldsFunc(head, func(r rune) bool { return r == ':' || r == ' ' || r == '\r' || r == '\n' }), "_")
	}
	for name, respond := range map[string]func(head string) string{
		"header": func(head string) string { return "HTTP/1.1 200 OK\r\n" + echo(head) + "\r\n\r\n" },
		"header, backwards": func(head string) string {
			return "HTTP/1.1 200 OK\r\n" + backwards(echo(head)) + "\r\n\r\n"
		},
		"header, long": func(head string) string {
			return "HTTP/1.1 200 OK\r\n" + strings.Repeat("long ", 10<<10) + echo(head) + "\r\n\r\n"
		},
		"status":  func(head string) string { return "HTTP/1.1 " + echo(head) + "\r\n\r\n" },
		"no HTTP": echo,
		"trailer": func(head string) string {
			return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + echo(head) + "\r\n\r\n"
		},
	} {
		t.Run(name, func(t *testing.T) {
			host := hostile(t, respond)
			var voters []clusters.Voter
			for i := range 3 {
				voters = append(voters, clusters.Voter{Name: fmt.Sprint(i), Config: &rest.Config{Host: host, BearerToken: secret}})
			}
			l := impatient(t, voters)
			defer func() { _ = l.Close() }()
			_, _, err := l.Get(t.Context())
			if err == nil || apierrors.IsNotFound(err) {
				t.Fatal(err)
			}
			text := err.Error()
			if strings.Contains(text, secret) || strings.Contains(text, backwards(secret)) {
				t.Errorf("it shows the credentials: %.500s", text)
			}
			if len(text) > 2<<10 || strings.ContainsAny(text, "\r\n") {
				t.Errorf("%d bytes", len(text))
			}
		})
	}
}
