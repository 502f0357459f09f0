package ctl

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

// elected is a program that answers what a leader or a follower does.
type elected struct {
	*httptest.Server
	is    api.Election
	asked []string // what has been posted
}

func (e *elected) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/clusters":
		_ = json.NewEncoder(w).Encode(api.Status{Election: &e.is})
	case r.Method == http.MethodPost && e.is.Role == "follower":
		w.WriteHeader(http.StatusServiceUnavailable)
		_ = json.NewEncoder(w).Encode(api.Error{Error: "it follows", Leader: &api.Leader{Identity: e.is.Leader, Address: e.is.LeaderAddress}})
	case r.Method == http.MethodPost:
		e.asked = append(e.asked, r.URL.Path)
		w.WriteHeader(http.StatusAccepted)
		_ = json.NewEncoder(w).Encode(e.is)
	}
}

func newElected(t *testing.T, is api.Election) *elected {
	e := &elected{is: is}
	e.Server = httptest.NewServer(e)
	t.Cleanup(e.Close)
	return e
}

func TestLeaderTellsAndStepsDown(t *testing.T) {
	now := time.Now()
	leader := newElected(t, api.Election{Role: "leader", Lock: "lease:ns/fairlead", Identity: "a_1", Leader: "a_1", LeaderHost: "a", LeaderSince: now.Add(-time.Hour), Renewed: now.Add(-time.Second), Term: 7})
	at, _ := url.Parse(leader.URL)
	leader.is.LeaderAddress, leader.is.AdminAddress = at.Host, at.Host
	follower := newElected(t, api.Election{Role: "follower", Lock: "lease:ns/fairlead", Identity: "b_1", Leader: "a_1", LeaderHost: "a", LeaderAddress: at.Host})
	nobody := newElected(t, api.Election{Role: "follower", Lock: "lease:ns/\x1bfairlead", Identity: "b_1"})
	alone := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(api.Status{}) }))
	t.Cleanup(alone.Close)
	for name, tc := range map[string]struct {
		args  string
		code  int
		says  string // in the output, or in the error
		posts int    // that the leader has got
	}{
		"of the leader":               {leader.URL, 0, "a        1h0m    7", 0},
		"of a follower":               {follower.URL + " -o jsonpath={.leader}/{.term}", 0, "a_1/7", 0},
		"nobody leads":                {nobody.URL, ExitProblem, "no leader is known", 0},
		"there is no election":        {alone.URL, ExitUnasked, "without --leader-elect", 0},
		"step down, asked a follower": {follower.URL + " --step-down", 0, "it steps down", 1},
		"step down, nobody is seen":   {leader.URL + " --step-down", ExitUnasked, "give --force", 0},
		"step down all the same":      {leader.URL + " --step-down --force", 0, "it steps down", 1},
		"step down, nobody leads":     {nobody.URL + " --step-down --force", ExitUnasked, "nobody leads", 0},
		"a form that there is not":    {follower.URL + " --step-down -o xml", ExitUnasked, "xml", 0},
	} {
		t.Run(name, func(t *testing.T) {
			leader.asked = nil
			cmd := Asking(NewLeader())[0]
			var out bytes.Buffer
			cmd.SetOut(&out)
			cmd.SetErr(&out)
			cmd.SilenceErrors, cmd.SilenceUsage = true, true
			cmd.SetArgs(append([]string{"--admin"}, strings.Fields(tc.args)...))
			err := cmd.ExecuteContext(t.Context())
			code := 0
			if end, ok := errors.AsType[*ExitError](err); ok {
				code = end.Code
			}
			said := out.String()
			if err != nil {
				said += err.Error()
			}
			if code != tc.code || !strings.Contains(said, tc.says) || strings.Contains(said, "\x1b") {
				t.Errorf("ends with %d, want %d; it says %q, want %q", code, tc.code, said, tc.says)
			}
			if len(leader.asked) != tc.posts {
				t.Errorf("the leader is asked for %v", leader.asked)
			}
		})
	}
}
