package app

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"

	"github.com/go-logr/logr"
)

// follower is the admin address of a process that follows.
func follower(t *testing.T, leader api.Leader) (url string) {
	t.Helper()
	a := &admin{following: "follower, leader is x", instead: "ask the leader", leader: &leader, log: logr.Discard()}
	s := httptest.NewServer(a.handler())
	t.Cleanup(s.Close)
	return s.URL
}

// leading is the page of a process.
func leading(t *testing.T, is api.Election) (address string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.Path != "/clusters" {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		_ = json.NewEncoder(w).Encode(api.Status{Election: &is})
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

func TestACommandGoesOnToTheLeader(t *testing.T) {
	base, replayed := fakeAdmin(t, nil)
	leader := api.Election{Role: "leader", Identity: "l", AdminAddress: strings.TrimPrefix(base, "http://")}
	seen := api.Leader{Identity: "l", Host: "pod-1", Address: leading(t, leader)}
	first := follower(t, seen)
	out, err := command(t, "replay", "--cluster=alpha", "--resource=pods", "--admin="+first)
	if want := strings.TrimPrefix(first, "http://") + " follows; asking the leader at " + base + "\nReplaying cluster alpha: 2 streams begin a snapshot\n"; err != nil || out != want {
		t.Errorf("%q, %v; want %q", out, err, want)
	}
	if len(*replayed) != 1 {
		t.Errorf("replayed %q", *replayed)
	}
	// What the leader refuses is told.
	if _, err := command(t, "replay", "--cluster=gamma", "--admin="+first); err == nil || !strings.Contains(err.Error(), "alpha, beta") {
		t.Error(err)
	}

	// It goes on once: another one that follows is not believed.
	leader.AdminAddress = strings.TrimPrefix(follower(t, seen), "http://")
	second := follower(t, api.Leader{Identity: "l", Address: leading(t, leader)})
	if _, err := command(t, "replay", "--cluster=alpha", "--admin="+second); err == nil || !strings.Contains(err.Error(), "nothing is delivered from here") {
		t.Error(err)
	}
	if len(*replayed) != 1 {
		t.Errorf("replayed %q", *replayed)
	}
}

// A program without an election has nobody to give way to.
func TestStepDown(t *testing.T) {
	asked := 0
	a := &admin{log: logr.Discard(), stepDown: func() { asked++ }}
	for _, test := range []struct {
		path     string
		election *api.Election
		code     int
	}{
		{"/step-down", nil, http.StatusConflict},
		{"/step-down?by=" + strings.Repeat("x", 201), &api.Election{Role: "leader"}, http.StatusBadRequest},
		{"/step-down?now=true", &api.Election{Role: "leader"}, http.StatusBadRequest},
		{"/step-down?by=anna", &api.Election{Role: "leader", Identity: "a", Term: 3}, http.StatusAccepted},
	} {
		a.election = test.election
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodPost, test.path, nil)
		r.Host = "localhost"
		a.handler().ServeHTTP(w, r)
		if w.Code != test.code || (asked > 0) != (test.code == http.StatusAccepted) {
			t.Errorf("%.40s: %d %s; asked for %d times", test.path, w.Code, w.Body, asked)
		}
	}
}

func TestTheLeaderIsNotAsked(t *testing.T) {
	redirect := httptest.NewServer(http.RedirectHandler("http://127.0.0.1:1/", http.StatusFound))
	endless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for err := error(nil); err == nil; {
			_, err = w.Write([]byte(strings.Repeat("[", 1<<12)))
		}
	}))
	t.Cleanup(redirect.Close)
	t.Cleanup(endless.Close)
	at := func(url string) string { return strings.TrimPrefix(url, "http://") }
	for name, test := range map[string]struct {
		seen api.Leader
		want string
	}{
		"no address":       {api.Leader{Host: "pod-1"}, "run this command in pod-1 (kubectl exec pod-1 -- fairlead ...)"},
		"nothing":          {api.Leader{}, "run this command in its Pod"},
		"a URL":            {api.Leader{Address: "http://127.0.0.1:1/x"}, "does not say where the leader is"},
		"user and path":    {api.Leader{Address: "a@b/c:80"}, "does not say where the leader is"},
		"an escape":        {api.Leader{Host: "\x1b[2J"}, "run this command in  [2J"},
		"down":             {api.Leader{Host: "pod-1", Address: "127.0.0.1:1"}, "refused; run this command in pod-1"},
		"a redirect":       {api.Leader{Address: at(redirect.URL)}, "302"},
		"without an end":   {api.Leader{Address: at(endless.URL)}, "is not fairlead"},
		"a follower":       {api.Leader{Identity: "l", Address: leading(t, api.Election{Role: "follower", Identity: "l"})}, "no l that leads"},
		"another process":  {api.Leader{Identity: "l", Address: leading(t, api.Election{Role: "leader", Identity: "m"})}, "no l that leads"},
		"no admin address": {api.Leader{Identity: "l", Address: leading(t, api.Election{Role: "leader", Identity: "l"})}, "--admin-bind-address"},
		"a name":           {api.Leader{Identity: "l", Address: leading(t, api.Election{Role: "leader", Identity: "l", AdminAddress: "evil:1"})}, `"evil:1", which is none`},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := command(t, "replay", "--cluster=alpha", "--admin="+follower(t, test.seen))
			if err == nil || !strings.Contains(err.Error(), "leader is x") || !strings.Contains(err.Error(), test.want) || strings.Contains(out, "asking") {
				t.Errorf("%q, %v; want %q", out, err, test.want)
			}
			if err != nil && strings.ContainsRune(err.Error(), '\x1b') {
				t.Error("it is written to the terminal as it came")
			}
		})
	}
}

// A program that delivers names no leader.
func TestOnlyAFollowerNamesTheLeader(t *testing.T) {
	base, _ := fakeAdmin(t, nil)
	_, err := command(t, "replay", "--cluster=beta", "--admin="+base)
	if err == nil || strings.Contains(err.Error(), "leader") {
		t.Errorf("%v", err)
	}
}
