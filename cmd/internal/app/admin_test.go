package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-dev/fairlead/sources"
	"github.com/fairlead-dev/fairlead/sources/connection"
	"github.com/fairlead-dev/fairlead/sources/stream"
)

// fakeAdmin is an admin over two members that replays nothing but takes note.
func fakeAdmin(t *testing.T, dead *deadLetters) (url string, replayed *[]string) {
	t.Helper()
	url, replayed, _ = stoppingAdmin(t, dead)
	return url, replayed
}

// stoppingAdmin is one whose program stops once stop is called.
func stoppingAdmin(t *testing.T, dead *deadLetters) (url string, replayed *[]string, stop func()) {
	t.Helper()
	replayed = new([]string)
	stopping := make(chan struct{})
	a := &admin{
		members: func() []sources.MemberStatus {
			return []sources.MemberStatus{
				{Connection: connection.Status{Cluster: "alpha"}, Streams: []stream.Status{{Resource: "pods"}, {Resource: "deployments.apps"}, {Stream: "wigs"}}},
				{Connection: connection.Status{Cluster: "beta"}},
			}
		},
		replay: func(_ context.Context, q replayRequest) (r sources.Replaying, _ error) {
			cluster, resource := q.cluster, q.resource
			switch {
			case cluster == "beta":
				return r, errors.New("it has just left")
			case cluster == "gamma":
				return r, fmt.Errorf("replay: %w", sources.ErrUnknownCluster)
			case resource == "deployments":
				return r, sources.ErrUnknownResource
			case resource == "secrets":
				return r, fmt.Errorf("replay: %w: no space left", sources.ErrNotStored)
			case resource == "gizmos":
				return r, fmt.Errorf("replay: %w", sources.ErrNotSurveyed)
			case resource != "wigs":
				r.Streams = 2
			}
			if resource == "wigs" || resource == "" {
				r.Waiting = []sources.WaitingStream{{Stream: "wigs", Reason: "resource gone, 7 objects held"}}
			}
			*replayed = append(*replayed, cluster+" "+resource)
			return r, nil
		},
		dead: dead, stop: stopping, log: logr.Discard(),
	}
	s := httptest.NewServer(a.handler())
	t.Cleanup(s.Close)
	return s.URL, replayed, func() { close(stopping) }
}

// A program that stops delivers nothing more, whatever it is asked for.
func TestAdminOfAProgramThatStops(t *testing.T) {
	base, replayed, stop := stoppingAdmin(t, nil)
	stop()
	for _, args := range [][]string{{"replay", "--cluster=alpha"}, {"dead-letter", "retry"}} {
		if out, err := command(t, append(args, "--admin="+base)...); err == nil || !strings.Contains(err.Error(), "stopping") {
			t.Errorf("%v: %q, %v", args, out, err)
		}
	}
	if len(*replayed) != 0 {
		t.Errorf("replayed %q", *replayed)
	}
}

func TestAdminAnswers(t *testing.T) {
	base, replayed := fakeAdmin(t, nil)
	for _, tc := range []struct {
		method, path, origin string
		code                 int
		want                 string
	}{
		{"POST", "/replay?cluster=alpha", "", 200, `"streams": 2`},
		{"POST", "/replay?cluster=alpha&resource=deployments.apps", "", 200, `"resource": "deployments.apps"`},
		{"POST", "/replay?cluster=alpha", "", 200, `"reason": "resource gone, 7 objects held"`},
		{"POST", "/replay?cluster=alpha&resource=wigs", "", 202, `"streams": 0`},
		{"POST", "/replay", "", 400, "?cluster=NAME"},
		{"POST", "/replay?cluster=alpha&dryRun=true", "", 200, `"objects": 0`},
		{"POST", "/replay?cluster=alpha&dryRun=maybe", "", 400, "true or false"},
		{"POST", "/replay?cluster=alpha&labels=a%0Ab", "", 400, "printed"},
		{"POST", "/replay?cluster=alpha&route=file:x", "", 404, "no route"},
		{"POST", "/replay?cluster=alpha&resources=pods", "", 400, "resources"},
		{"POST", "/replay?cluster=alpha&cluster=beta", "", 400, "2 times"},
		{"POST", "/replay?cluster=%zz", "", 400, "query"},
		{"POST", "/replay?cluster=gamma", "", 404, `"beta"`},
		{"POST", "/replay?cluster=alpha&resource=deployments", "", 404, `"deployments.apps"`},
		{"POST", "/replay?cluster=beta", "", 409, "it has just left"},
		{"POST", "/replay?cluster=alpha&resource=secrets", "", 503, "no space left"},
		{"POST", "/replay?cluster=alpha&resource=gizmos", "", 503, "ask again"},
		{"GET", "/replay?cluster=alpha", "", 405, "POST"},
		{"DELETE", "/dead-letter/retry", "", 405, "POST"},
		{"POST", "/", "", 404, "POST /replay"},
		{"POST", "/dead-letter/retry", "", 404, "--dead-letter"},
		{"POST", "/dead-letter/retry?wait=soon", "", 400, "soon"},
		{"POST", "/dead-letter/retry?wait=1h", "", 400, "10m"},
		{"POST", "/replay?cluster=alpha", "https://evil.example", 403, "evil.example"},
		{"POST", "/replay?cluster=alpha", "null", 403, "web pages"},
	} {
		req := must(http.NewRequestWithContext(t.Context(), tc.method, base+tc.path, nil))(t)
		req.Close = true
		if tc.origin != "" {
			req.Header.Set("Origin", tc.origin)
		}
		resp := must(http.DefaultClient.Do(req))(t)
		var body bytes.Buffer
		_, err := body.ReadFrom(resp.Body)
		if err = errors.Join(err, resp.Body.Close()); err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != tc.code || !strings.Contains(body.String(), tc.want) || !json.Valid(body.Bytes()) {
			t.Errorf("%s %s answers %d, want %d with %q: %s", tc.method, tc.path, resp.StatusCode, tc.code, tc.want, body.String())
		}
		if resp.StatusCode == http.StatusMethodNotAllowed && resp.Header.Get("Allow") != "POST" {
			t.Errorf("%s %s: Allow is %q", tc.method, tc.path, resp.Header.Get("Allow"))
		}
	}
	if diff := cmp.Diff([]string{"alpha ", "alpha deployments.apps", "alpha ", "alpha wigs", "alpha "}, *replayed); diff != "" {
		t.Errorf("replayed (-want +got):\n%s", diff)
	}
}

// What a browser may be made to send, and what others send.
func TestAdminRefusesWebPages(t *testing.T) {
	base, replayed := fakeAdmin(t, nil)
	for _, tc := range []struct {
		host, site string
		code       int
		want       string
	}{
		{host: "", code: 200},
		{host: "localhost", code: 200},
		{host: "localhost:8082", code: 200},
		{host: "LOCALHOST:8082", code: 200},
		{host: "10.0.0.7:8082", code: 200},
		{host: "[::1]:8082", code: 200},
		{host: "[::1]", code: 200},
		{host: "evil.example", code: 403, want: `\"evil.example\"`},
		{host: "evil.example:8082", code: 403, want: "Host: localhost"},
		{host: "127.0.0.1.evil.example:80", code: 403, want: "evil.example"},
		{host: "localhost.evil.example", code: 403, want: "evil.example"},
		{site: "none", code: 200},
		{site: "same-origin", code: 403, want: "web pages"},
		{site: "cross-site", code: 403, want: "cross-site"},
	} {
		req := must(http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/replay?cluster=alpha", nil))(t)
		req.Host, req.Close = tc.host, true
		if tc.site != "" {
			req.Header.Set("Sec-Fetch-Site", tc.site)
		}
		resp := must(http.DefaultClient.Do(req))(t)
		body, err := io.ReadAll(resp.Body)
		if err = errors.Join(err, resp.Body.Close()); err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != tc.code || !strings.Contains(string(body), tc.want) {
			t.Errorf("Host %q, Sec-Fetch-Site %q: %d %s, want %d with %q", tc.host, tc.site, resp.StatusCode, body, tc.code, tc.want)
		}
	}
	if len(*replayed) != 8 {
		t.Errorf("%d requests had something replayed, want 8", len(*replayed))
	}
}

func TestAnOpenAdminAddressIsWarnedOf(t *testing.T) {
	for address, warned := range map[string]bool{"127.0.0.1:0": false, "[::1]:0": false, "0.0.0.0:0": true, ":0": true} {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Log(err) // no IPv6 here
			continue
		}
		var said strings.Builder
		p := &program{settings: parseWith(t, Options{}, "--watch=pods", "--clusters=dir:/x"), log: funcr.New(func(_, args string) { said.WriteString(args) }, funcr.Options{})}
		p.adminServer(l)
		if got := strings.Contains(said.String(), "Warning"); got != warned {
			t.Errorf("%s: log %q", address, said.String())
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}

// command runs a command line.
func command(t *testing.T, args ...string) (string, error) {
	t.Helper()
	return commandWith(t.Context(), args...)
}

func commandWith(ctx context.Context, args ...string) (string, error) {
	var out bytes.Buffer
	cmd := NewCommand(Options{})
	cmd.SetArgs(args)
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	err := cmd.ExecuteContext(ctx)
	return out.String(), err
}

func TestAdminCommands(t *testing.T) {
	l := newLetters(t)
	l.refuse("a", "b")
	l.answer["b"] = errors.New("gone fishing")
	base, _ := fakeAdmin(t, l.dead)
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	for _, tc := range []struct {
		args  []string
		out   string
		wrong []string // what the error says
	}{
		{[]string{"replay", "--cluster=alpha", "--resource=pods"}, "cluster alpha: 2 streams", nil},
		{[]string{"replay", "--cluster=alpha", "--resource=wigs"}, "0 streams begin a snapshot\nwigs cannot, and begins one when it can: resource gone, 7 objects held\n", nil},
		{[]string{"replay"}, "", []string{"--cluster NAME"}},
		{[]string{"replay", "--cluster=gamma"}, "", []string{`no cluster "gamma"`, "alpha, beta"}},
		{[]string{"replay", "--cluster=alpha", "--admin=http://127.0.0.1:1"}, "", []string{"POST http://127.0.0.1:1/replay", "refused", "--admin-bind-address", "--admin"}},
		{[]string{"replay", "--cluster=alpha", "--admin=127.0.0.1:1"}, "", []string{"--admin", "http://HOST:PORT"}},
		{[]string{"replay", "--cluster=alpha", "--admin=" + other.URL}, "", []string{other.URL, "404", "--admin"}},
		{[]string{"dead-letter", "retry", "--admin=" + other.URL}, "", []string{other.URL, "404", "--admin"}},
		{[]string{"dead-letter", "retry", "--wait=-1s"}, "", []string{"-1s", "no duration"}},
		{[]string{"dead-letter", "retry", "--wait=0s"}, "on their way", nil},
	} {
		args := tc.args
		if !strings.Contains(strings.Join(args, " "), "--admin") {
			args = append(args, "--admin="+base)
		}
		out, err := command(t, args...)
		if (err != nil) != (tc.wrong != nil) || !strings.Contains(out, tc.out) {
			t.Errorf("%v: %q, %v", tc.args, out, err)
		}
		for _, want := range tc.wrong {
			if err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("%v: %v does not say %q", tc.args, err, want)
			}
		}
	}
	retried := <-l.sent
	l.ack(retried, "a")
	// The one under way is waited for; it may have ended, and b be tried anew.
	out, err := command(t, "dead-letter", "retry", "--admin="+base)
	if err != nil || !strings.Contains(out, "kept 1: gone fishing") {
		t.Errorf("%q, %v", out, err)
	}
	delete(l.answer, "b")
	go func() { l.ack(<-l.sent, "b") }()
	if out, err := command(t, "dead-letter", "retry", "--admin="+base); err != nil || !strings.Contains(out, "1 dead letters: 1 delivered") {
		t.Errorf("%q, %v", out, err)
	}
	if out, err := command(t, "dead-letter", "retry", "--admin="+base); err != nil || out != "No dead letters\n" {
		t.Errorf("%q, %v", out, err)
	}
}
