package ctl

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

// Of many clusters that cannot be paused some are told, and the others are paused.
func TestPauseOfClustersThatFail(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /clusters", func(w http.ResponseWriter, _ *http.Request) {
		var s api.Status
		for i := range 40 {
			s.Clusters = append(s.Clusters, api.Cluster{Name: fmt.Sprintf("edge-%02d", i), Labels: map[string]string{"even": fmt.Sprint(i%2 == 0)}})
		}
		_ = json.NewEncoder(w).Encode(s)
	})
	var asked atomic.Int64
	mux.HandleFunc("POST /pause", func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		p := api.Pausing{Pause: api.Pause{Target: api.Target{Cluster: r.URL.Query().Get("cluster")}, Mode: r.URL.Query().Get("mode")}}
		if p.Cluster >= "edge-10" {
			w.WriteHeader(http.StatusConflict)
			_ = json.NewEncoder(w).Encode(api.Error{Error: "there is no room for it"})
			return
		}
		p.NotStored = "no space left"
		w.WriteHeader(http.StatusAccepted)
		_ = json.NewEncoder(w).Encode(p)
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	cmd := NewPause()
	var out bytes.Buffer
	cmd.SetArgs([]string{"-l", "even=true", "--mode=stop", "--no-headers", "--admin=" + server.URL})
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	err := fmt.Sprint(cmd.ExecuteContext(t.Context()))
	if strings.Count(err, "there is no room for it") != mostErrors || !strings.Contains(err, "cluster edge-10: ") || !strings.Contains(err, "and 5 clusters more") || strings.Count(err, "no space left") != 1 {
		t.Errorf("it ends with %s", err)
	}
	if asked.Load() != 20 || strings.Count(out.String(), "Paused   cluster edge-0") != 5 || strings.Count(out.String(), "stop") != 5 {
		t.Errorf("asked %d times: %s", asked.Load(), out.String())
	}
}

// A pause that is not stored is told, although that of the next cluster is.
func TestPauseThatIsNotStored(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /clusters", func(w http.ResponseWriter, _ *http.Request) {
		var s api.Status
		for _, name := range []string{"a", "b", "c", "d"} {
			s.Clusters = append(s.Clusters, api.Cluster{Name: name, Labels: map[string]string{"x": "y"}})
		}
		_ = json.NewEncoder(w).Encode(s)
	})
	mux.HandleFunc("POST /pause", func(w http.ResponseWriter, r *http.Request) {
		name := r.URL.Query().Get("cluster")
		_ = json.NewEncoder(w).Encode(api.Pausing{Pause: api.Pause{Target: api.Target{Cluster: name}}, NotStored: map[string]string{"b": "no space left", "c": "no answer"}[name]})
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	cmd := NewPause()
	cmd.SetArgs([]string{"-l", "x=y", "--admin=" + server.URL})
	cmd.SetOut(io.Discard)
	cmd.SetErr(io.Discard)
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	if err := fmt.Sprint(cmd.ExecuteContext(t.Context())); !strings.HasPrefix(err, "cluster b: it is in effect") || !strings.Contains(err, "no space left") || strings.Contains(err, "no answer") {
		t.Errorf("it ends with %s", err)
	}
}

// An order is of one target: none, and more than one, are told apart.
func TestTargetOfAnOrder(t *testing.T) {
	for _, tc := range []struct {
		target target
		args   []string
		want   string
	}{
		{target{}, nil, "of what?"},
		{target{stream: "a/pods", route: "r"}, nil, "give one of them"},
		{target{route: "r"}, []string{"a"}, "give one of them"},
	} {
		if _, err := tc.target.query(tc.args); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%+v %q: %v, want %q", tc.target, tc.args, err, tc.want)
		}
	}
}
