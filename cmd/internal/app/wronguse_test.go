package app

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/sources"
	"github.com/fairlead-dev/fairlead/sources/connection"
	"github.com/fairlead-dev/fairlead/sources/stream"
)

// Whoever uses a command in a wrong way is told what is wrong, and how it is right.
func TestWrongUse(t *testing.T) {
	t.Setenv("KUBECONFIG", "/nowhere")
	t.Setenv("HOME", t.TempDir())
	_, health, admin := buttonsProgram(t)
	const elsewhere = "is fairlead run, but not its --admin-bind-address"
	for _, c := range []struct {
		at, args, want string
	}{
		{health, "pause alpha", elsewhere},
		{health, "limits alpha", elsewhere},
		{health, "replay --cluster=alpha", elsewhere},
		{health, "retry alpha", elsewhere},
		{health, "tail", elsewhere},
		{health, "check", elsewhere},
		{health, "dead-letter retry", elsewhere},
		{admin, "status -l a=b --wait=live", "no cluster has these labels"},
		{admin, "pause --stream alpha/pods", `cluster "alpha" has not been found to serve "pods"`},
		{admin, "diff --sink=stdout: --repair --cluster=", "--cluster is empty"},
		{admin, "diff --sink=stdout: --repair -o=xml", "there are wide"},
		{admin, "tail --where=", "--where is empty"},
		{"", "replay alpha", "fairlead replay takes no arguments, and not alpha; name a cluster with --cluster"},
		{"", "ledger inspect x.db", "name the ledger with --ledger"},
		{"", "check alpha", "fairlead status and fairlead explain tell of one"},
		{"", "pause alpha beta", "fairlead pause takes one argument, and not beta"},
		{"", "top", "Give one of clusters, streams and sinks"},
		{"", "status -n shop", "there is no kubeconfig of the hub, in whose namespace shop"},
	} {
		args := strings.Fields(c.args)
		if c.at != "" {
			args = append(args, "--admin="+c.at)
		}
		if out, err := command(t, args...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %q, %v, want %q", c.args, out, err, c.want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	resp := must(http.DefaultClient.Do(must(http.NewRequestWithContext(ctx, http.MethodGet, admin+"/tail?resource=podz", nil))(t)))(t)
	defer func() { _ = resp.Body.Close() }()
	if note := resp.Header.Get(api.NoteHeader); note != `nothing follows "podz" now, and what comes later is shown; no cluster has told yet what it serves` {
		t.Errorf("a tail of what there is not: %q", note)
	}
}

// A tail is told which of its resources nothing follows, by either name.
func TestNotFollowedNow(t *testing.T) {
	members := []sources.MemberStatus{{Connection: connection.Status{Cluster: "a"}, Streams: []stream.Status{{Resource: "pods"}, {Resource: "deployments.apps"}, {Stream: "wigs.example.com"}}}}
	const there = " now, and what comes later is shown; there are deployments.apps, pods"
	for list, want := range map[string]string{
		"": "", "pods": "", "deployments": "", "deployments.apps,pods": "",
		"deployments.app,pods,po": `nothing follows "deployments.app", "po"` + there,
		"wigs.example.com":        `nothing follows "wigs.example.com"` + there,
		"\r\nX-Evil: ü":           `nothing follows "\r\nX-Evil: \u00fc"` + there,
	} {
		if got := notFollowedNow(members, list); got != want {
			t.Errorf("%q: %q, want %q", list, got, want)
		}
	}
	for i := range 30 {
		members[0].Streams = append(members[0].Streams, stream.Status{Resource: "x" + strings.Repeat("y", i)})
	}
	if got := notFollowedNow(members, strings.Join(slices.Repeat([]string{"z"}, 1000), ",")); !strings.Contains(got, " and 12 more") || !strings.Contains(got, "others now") || len(got) > 2000 {
		t.Errorf("of many: %q", got)
	}
}
