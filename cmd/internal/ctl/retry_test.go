package ctl

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// retrying is a program that tries clusters, but not beta.
func retrying(t *testing.T) (url string, asked *atomic.Int64) {
	t.Helper()
	asked = new(atomic.Int64)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /clusters", func(w http.ResponseWriter, _ *http.Request) {
		var s api.Status
		for _, name := range []string{"alpha", "beta", "gamma", "delta"} {
			s.Clusters = append(s.Clusters, api.Cluster{Name: name, Labels: map[string]string{"delta": fmt.Sprint(name == "delta")}})
		}
		_ = json.NewEncoder(w).Encode(s)
	})
	mux.HandleFunc("POST /retry", func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		said := api.Retrying{Cluster: r.URL.Query().Get("cluster"), State: member.Live}
		switch said.Cluster {
		case "alpha":
			said.State, said.Connects, said.LastError = member.BackingOff, true, "connect: connection refused"
		case "beta":
			w.WriteHeader(http.StatusNotFound)
			_ = json.NewEncoder(w).Encode(api.Error{Error: "there is no cluster \"beta\"", Known: []string{"alpha"}})
			return
		case "gamma":
			said.Streams = []string{"pods", "secrets", "nodes", "events", "services"}
		}
		_ = json.NewEncoder(w).Encode(said)
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s.URL, asked
}

func executed(t *testing.T, cmd *cobra.Command, args ...string) (out, err string) {
	t.Helper()
	var said bytes.Buffer
	cmd.SetArgs(args)
	cmd.SetOut(&said)
	cmd.SetErr(&bytes.Buffer{})
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	if failed := cmd.ExecuteContext(t.Context()); failed != nil {
		err = failed.Error()
	}
	return said.String(), err
}

func TestRetry(t *testing.T) {
	url, _ := retrying(t)
	out, err := executed(t, NewRetry(), "gamma", "delta", "alpha", "alpha", "beta", "--admin="+url)
	want := strings.Join([]string{
		"CLUSTER   TRIES                                            WAS           BECAUSE",
		"alpha     connection                                       backing off   connect: connection refused",
		"delta     nothing waits                                    live          ",
		"gamma     pods, secrets, nodes, and 2 streams more         live          ", "",
	}, "\n")
	squeeze := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	if diff := cmp.Diff(squeeze(want), squeeze(out)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err != `cluster beta: there is no cluster "beta"; there are: alpha` {
		t.Errorf("it ends with %s", err)
	}
	if out, err := executed(t, NewRetry(), "-l", "delta=true", "-o", "json", "--admin="+url); err != "" || strings.Count(out, "cluster\"") != 1 || !strings.Contains(out, `"connects": false`) {
		t.Errorf("%s, %s", out, err)
	}
	for want, args := range map[string][]string{
		"which cluster":       nil,
		"is empty":            {" "},
		"--selector is empty": {"--selector="},
		"give one of them":    {"alpha", "--selector=a=b"},
		"no cluster has":      {"--selector=a=b"},
		"there is no cluster": {"beta"},
	} {
		if out, err := executed(t, NewRetry(), append(args, "--admin="+url)...); !strings.Contains(err, want) || out != "" {
			t.Errorf("%v: %s, %s", args, out, err)
		}
	}
}

// A form of output that there is not is refused before anything is changed.
func TestWrongOutputChangesNothing(t *testing.T) {
	var asked atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		_, _ = w.Write([]byte("{}"))
	}))
	defer s.Close()
	for _, form := range []string{"-o=xml", "-o=jsonpath", "-o=jsonpath={.x", "-o=go-template={{", "-o=custom-columns=X", "--sort-by=none"} {
		for _, cmd := range []*cobra.Command{NewPause(), NewResume(), NewLimits(), NewRetry()} {
			args := []string{"alpha", form, "--admin=" + s.URL}
			if cmd.Name() == "limits" {
				args = append(args, "--qps=3")
			}
			if _, err := executed(t, cmd, args...); err == "" {
				t.Errorf("%s %v is taken", cmd.Name(), args)
			}
		}
	}
	if n := asked.Load(); n > 0 {
		t.Errorf("asked for %d times", n)
	}
	for _, form := range []string{"-o=wide", "-o=yaml", "-o=name", "-o=jsonpath={.clusters[0].cluster}", "-o=go-template={{(index .clusters 0).cluster}}", "-o=custom-columns=X:.cluster", "--sort-by={.cluster}"} {
		if _, err := executed(t, NewRetry(), "alpha", form, "--admin="+s.URL); err != "" {
			t.Errorf("%s: %s", form, err)
		}
	}
}
