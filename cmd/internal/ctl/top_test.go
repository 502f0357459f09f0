package ctl

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/sources/member"
	"github.com/fairlead-dev/fairlead/sources/stream"
)

// TestTopFollows: each frame of top -w is about what has happened since the one before. A
// read that fails is told of, and the next one compares with the last that there is.
func TestTopFollows(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var asked atomic.Int32
	counts := []uint64{5, 1e6, 1e6, 0, 2e6} // at each read; 0: it fails
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n := int(asked.Add(1))
		if n > len(counts) {
			stop()
			return
		}
		if counts[n-1] == 0 {
			http.Error(w, "not now", http.StatusBadGateway)
			return
		}
		c := api.Cluster{Name: "edge", State: member.Live}
		c.Counts.HandedOut = counts[n-1]
		_ = json.NewEncoder(w).Encode(&api.Status{Clusters: []api.Cluster{c}})
	}))
	defer server.Close()

	var b strings.Builder
	cmd := NewTop()
	cmd.SetOut(&b)
	cmd.SetErr(&b)
	cmd.SetArgs([]string{"clusters", "-w", "--interval=100ms", "--admin=" + server.URL, "--no-headers", "-o", `go-template={{range .items}}{{if .changesPerSecond}}some{{else}}none{{end}}{{"\n"}}{{end}}`})
	if err := cmd.ExecuteContext(ctx); err != nil {
		t.Error(err)
	}
	frames := strings.Split(strings.TrimSpace(b.String()), "\n")
	frames = slices.DeleteFunc(frames, func(line string) bool { return line == "" })
	if len(frames) != 4 || frames[0] != "some" || frames[1] != "none" || !strings.Contains(frames[2], "status 502") || frames[3] != "some" {
		t.Errorf("it shows %q", frames)
	}
}

// A stream that waits for the limit that somebody has set is told apart from one that has nothing
// to read.
func TestTopSaysWhoIsLimited(t *testing.T) {
	r := &reads{first: &api.Status{}, second: &api.Status{Clusters: []api.Cluster{{Name: "edge", Streams: []api.Stream{
		{Status: stream.Status{Stream: "events", State: member.Live, LimitedSince: time.Now()}},
		{Status: stream.Status{Stream: "pods", State: member.Live}},
	}}}}}
	states := map[string]string{}
	for _, row := range topStreams(r).Rows {
		states[row[1]] = row[2]
	}
	if states["events"] != "live, limited" || states["pods"] != "live" {
		t.Errorf("the states are %v", states)
	}
}
