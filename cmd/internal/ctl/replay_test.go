package ctl

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/spf13/cobra"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

// A cluster that cannot be replayed keeps no other one from being replayed, and is told in its turn,
// also if there is no answer for it.
func TestReplayOfClustersThatFail(t *testing.T) {
	var mu sync.Mutex
	var asked []string
	mux := http.NewServeMux()
	mux.HandleFunc("GET /clusters", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(api.Status{Clusters: []api.Cluster{{Name: "d"}, {Name: "b"}, {Name: "a"}, {Name: "c\x1b[2J"}}})
	})
	gone := "" // the cluster for which there is no answer
	mux.HandleFunc("POST /replay", func(w http.ResponseWriter, r *http.Request) {
		cluster := r.URL.Query().Get("cluster")
		mu.Lock()
		asked = append(asked, cluster)
		mu.Unlock()
		switch cluster {
		case gone:
			panic(http.ErrAbortHandler)
		case "b":
			w.WriteHeader(http.StatusServiceUnavailable)
			_ = json.NewEncoder(w).Encode(api.Error{Error: "ask again"})
		case "d":
			_ = json.NewEncoder(w).Encode(api.Replay{Cluster: cluster, Streams: 1, Failed: []api.Waiting{{Stream: "pods", Reason: "no answer"}}})
		default:
			_ = json.NewEncoder(w).Encode(api.Replay{Cluster: cluster, Streams: 2})
		}
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	run := func(args ...string) (string, error) {
		asked = nil
		cmd := NewReplay()
		var out bytes.Buffer
		cmd.SetArgs(append(args, "--admin="+server.URL))
		cmd.SetOut(&out)
		cmd.SetErr(&out)
		cmd.SilenceUsage, cmd.SilenceErrors = true, true
		err := cmd.ExecuteContext(t.Context())
		mu.Lock() // a call that was aborted may not have returned
		defer mu.Unlock()
		return out.String(), err
	}

	out, err := run("--route=r")
	if fmt.Sprint(err) != "2 of 4 clusters were not replayed, or not all of them" || len(asked) != 4 {
		t.Errorf("%v, asked for %q", err, asked)
	}
	for _, want := range []string{"Replaying cluster a: 2 streams", "Cluster b cannot be replayed: ask again\n", "cluster c [2J: 2", "Nothing of pods", "Replaying 3 clusters: 5 streams begin a snapshot\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q does not say %q", out, want)
		}
	}
	var said replayed
	out, err = run("--route=r", "-o=json")
	if wrong := json.Unmarshal([]byte(out), &said); wrong != nil || err == nil {
		t.Fatalf("%v, %v: %s", wrong, err, out)
	}
	if said.Failed != 2 || said.Streams != 5 || len(said.Clusters) != 4 || said.Clusters[1].Error != "ask again" || len(said.Clusters[3].Replay.Failed) != 1 {
		t.Errorf("%+v", said)
	}

	gone = "b"
	out, err = run("--route=r")
	begins := []string{"Replaying cluster a: ", "Cluster b cannot be replayed: POST ", "Replaying cluster c", "Replaying cluster d: ", "Nothing of pods", "Replaying 3 clusters: "}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if err == nil || !strings.HasPrefix(err.Error(), "2 of 4 clusters") || len(asked) != 4 || len(lines) != len(begins) {
		t.Fatalf("%v, asked for %q: %s", err, asked, out)
	}
	for i, line := range lines {
		if !strings.HasPrefix(line, begins[i]) {
			t.Errorf("line %d is %q, want %q", i+1, line, begins[i])
		}
	}
	if out, err = run("--cluster=b"); err == nil || out != "" {
		t.Errorf("%v: %s", err, out)
	}
}

// A variable that is empty in a script does not mean the whole fleet.
func TestEmptyFlagsAreNotAll(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("it asks for %s", r.URL) }))
	defer server.Close()
	for _, args := range [][]string{
		{"replay", "--cluster=", "--route=r"}, {"replay", "--cluster= ", "-n=shop"}, {"replay", "--cluster-selector=", "--route=r"}, {"replay", "--cluster-selector= "},
		{"replay", "--cluster=a", "--cluster-selector="}, {"replay", "--cluster=a", "-n", ""}, {"replay", "--cluster=a", "--name="}, {"replay", "--cluster=a", "-l", "\t "},
		{"replay", "--cluster=a", "--resource="}, {"replay", "--cluster=a", "--route="},
		{"pause", "-l", ""}, {"pause", "-l", " "}, {"pause", "a", "-l", ""}, {"pause", "a", "--stream="}, {"pause", "a", "--route= "}, {"pause", ""}, {"pause", " "},
		{"resume", "-l", ""}, {"resume", "-l", " "}, {"resume", "a", "--selector="},
	} {
		cmd := map[string]func() *cobra.Command{"replay": NewReplay, "pause": NewPause, "resume": NewResume}[args[0]]()
		cmd.SetArgs(append(args[1:], "--admin="+server.URL))
		cmd.SetOut(io.Discard)
		cmd.SetErr(io.Discard)
		cmd.SilenceUsage, cmd.SilenceErrors = true, true
		err := cmd.ExecuteContext(t.Context())
		if end, ok := errors.AsType[*ExitError](err); !ok || end.Code != ExitUnasked || !strings.Contains(err.Error(), "empty") {
			t.Errorf("%q ends with %v", args, err)
		}
	}
	var c Client
	if _, _, err := c.chosen(t.Context(), io.Discard, "selector", " "); err == nil || !strings.Contains(err.Error(), "no label") {
		t.Errorf("a selector of nothing: %v", err)
	}
}
