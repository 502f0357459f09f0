package app

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-logr/logr"
)

// follower is the admin address of a process that follows.
func follower(t *testing.T, leader leaderSeen) (url string) {
	t.Helper()
	a := &admin{following: "follower, leader is x", instead: "ask the leader", leader: &leader, log: logr.Discard()}
	s := httptest.NewServer(a.handler())
	t.Cleanup(s.Close)
	return s.URL
}

// leading is the page of a process.
func leading(t *testing.T, is electionStatus) (address string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.Path != "/clusters" {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		_ = json.NewEncoder(w).Encode(status{Election: &is})
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

func TestACommandGoesOnToTheLeader(t *testing.T) {
	base, replayed := fakeAdmin(t, nil)
	leader := electionStatus{Role: "leader", Identity: "l", AdminAddress: strings.TrimPrefix(base, "http://")}
	seen := leaderSeen{Identity: "l", Host: "pod-1", Address: leading(t, leader)}
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
	second := follower(t, leaderSeen{Identity: "l", Address: leading(t, leader)})
	if _, err := command(t, "replay", "--cluster=alpha", "--admin="+second); err == nil || !strings.Contains(err.Error(), "nothing is delivered from here") {
		t.Error(err)
	}
	if len(*replayed) != 1 {
		t.Errorf("replayed %q", *replayed)
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
		seen leaderSeen
		want string
	}{
		"no address":       {leaderSeen{Host: "pod-1"}, "run this command in pod-1 (kubectl exec pod-1 -- fairlead ...)"},
		"nothing":          {leaderSeen{}, "run this command in its Pod"},
		"a URL":            {leaderSeen{Address: "http://127.0.0.1:1/x"}, "does not say where the leader is"},
		"user and path":    {leaderSeen{Address: "a@b/c:80"}, "does not say where the leader is"},
		"an escape":        {leaderSeen{Host: "\x1b[2J"}, "run this command in  [2J"},
		"down":             {leaderSeen{Host: "pod-1", Address: "127.0.0.1:1"}, "refused; run this command in pod-1"},
		"a redirect":       {leaderSeen{Address: at(redirect.URL)}, "302"},
		"without an end":   {leaderSeen{Address: at(endless.URL)}, "is not fairlead"},
		"a follower":       {leaderSeen{Identity: "l", Address: leading(t, electionStatus{Role: "follower", Identity: "l"})}, "no l that leads"},
		"another process":  {leaderSeen{Identity: "l", Address: leading(t, electionStatus{Role: "leader", Identity: "m"})}, "no l that leads"},
		"no admin address": {leaderSeen{Identity: "l", Address: leading(t, electionStatus{Role: "leader", Identity: "l"})}, "--admin-bind-address"},
		"a name":           {leaderSeen{Identity: "l", Address: leading(t, electionStatus{Role: "leader", Identity: "l", AdminAddress: "evil:1"})}, `"evil:1", which is none`},
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

// The host is the one that the lock names, whatever the leader's page says.
func TestWhereTheLeaderIsAsked(t *testing.T) {
	for _, test := range []struct{ host, admin, want, wrong string }{
		{host: "10.0.0.7", admin: "[::]:8082", want: "http://10.0.0.7:8082"},
		{host: "10.0.0.7", admin: "10.0.0.9:8082", want: "http://10.0.0.7:8082"},
		{host: "fd00::7", admin: "[::]:8082", want: "http://[fd00::7]:8082"},
		{host: "fairlead-0.fairlead", admin: "0.0.0.0:8082", want: "http://fairlead-0.fairlead:8082"},
		{host: "10.0.0.7", admin: "127.0.0.1:8082", wrong: "on its own 127.0.0.1:8082 only; run this one in pod-1"},
		{host: "127.0.0.1", admin: "127.0.0.2:8082", want: "http://127.0.0.2:8082"},
	} {
		l := leaderSeen{Identity: "l", Host: "pod-1", Address: test.host}
		got, err := l.adminBy(&electionStatus{Role: "leader", Identity: "l", AdminAddress: test.admin}, test.host)
		if test.wrong != "" {
			if err == nil || !strings.Contains(err.Error(), test.wrong) {
				t.Errorf("%+v: %v", test, err)
			}
			continue
		}
		if err != nil || got.String() != test.want {
			t.Errorf("%+v: %v, %v", test, got, err)
		}
	}
}

// A program that delivers names no leader.
func TestOnlyAFollowerNamesTheLeader(t *testing.T) {
	base, _ := fakeAdmin(t, nil)
	_, err := command(t, "replay", "--cluster=beta", "--admin="+base)
	if _, ok := errors.AsType[*followerError](err); err == nil || ok {
		t.Errorf("%v", err)
	}
}
