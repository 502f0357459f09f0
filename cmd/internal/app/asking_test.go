package app

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/sinks/batch"
	"github.com/fairlead-dev/fairlead/sources/member"
	"github.com/fairlead-dev/fairlead/sources/stream"
)

// TestWrongUseOfWhatAsks: scripts tell it from what the program has found.
func TestWrongUseOfWhatAsks(t *testing.T) {
	for _, line := range []string{
		"status --nope", "check --nope", "explain edge-1", "diff", "diff x", "tail -o yaml", "top", "top pods", "pause", "pause a b",
		"resume", "resume --nope", "limits", "limits a --qps=x", "replay", "replay x", "support-bundle x", "version x", "leader x", "leader --force",
	} {
		if out, err := command(t, strings.Fields(line)...); ExitCode(err) != 2 {
			t.Errorf("fairlead %s ends with %d: %v\n%s", line, ExitCode(err), err, out)
		}
	}
	if _, err := command(t, "status", "--wach"); err == nil || !strings.Contains(err.Error(), "did you mean --watch?") {
		t.Errorf("a flag that is mistyped: %v", err)
	}
}

// TestNamesAreCompleted: wherever the name of something that the program tells of is to be typed.
func TestNamesAreCompleted(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		of := func(resources ...string) (streams []api.Stream) {
			for _, r := range resources {
				streams = append(streams, api.Stream{Status: stream.Status{Stream: r + "?fieldSelector=x", Resource: r, State: member.Live}})
			}
			return streams
		}
		_ = json.NewEncoder(w).Encode(api.Status{
			Clusters: []api.Cluster{{Name: "edge-1", State: member.Live, Streams: of("pods", "deployments.apps")}, {Name: "west", State: member.Live, Streams: of("pods", "events\x1b[2J")}},
			Sinks:    []api.Sink{{Name: "stdout:", Status: batch.Status{Healthy: true}}, {Name: "hub:fleet", Status: batch.Status{LastError: "refused"}}},
		})
	}))
	t.Cleanup(server.Close)
	for line, want := range map[string]string{
		"status e": "edge-1\tlive\n", "pause e": "edge-1\tlive\n", "resume e": "edge-1\tlive\n", "limits e": "edge-1\tlive\n", "explain e": "edge-1\tlive\n",
		"replay --cluster e": "edge-1\tlive\n", "tail --cluster e": "edge-1\tlive\n", "diff --cluster west,e": "west,edge-1\tlive\n", "limits edge-1 w": ":4\n", "tail w": ":4\n",
		"pause --route ": "stdout:\thealthy\nhub:fleet\tfailing\n:4\n", "diff --sink h": "hub:fleet\tfailing\n:4\n", "tail --route stdout:,h": "stdout:,hub:fleet\tfailing\n:4\n",
		"replay --route s": "stdout:\thealthy\n:4\n", "limits --route s": "stdout:\thealthy\n:4\n", "resume --route s": "stdout:\thealthy\n:4\n",
		"resume --stream ": "edge-1/\nwest/\n:6\n", "limits --stream edge-1/d": "edge-1/deployments.apps\tlive\n:4\n", "pause --stream west/p": "west/pods\tlive\n:4\n",
		"tail ": "deployments.apps\nevents [2J\npods\n:4\n", "tail pods p": ":4\n", "tail --cluster edge-1 e": ":4\n", "tail --op ": "added\nupdated\ndeleted\n:4\n", "pause --mode ": "hold\nstop\n:4\n",
		"replay --cluster edge-1 --resource ": "deployments.apps\npods\n:4\n", "diff --resource pods,d": "pods,deployments.apps\n:4\n", "diff --cluster west --resource d": ":4\n",
		"explain edge-1 p": "pods/\n:6\n", "explain west d": ":4\n", "explain edge-1 pods w": ":4\n",
	} {
		name, rest, _ := strings.Cut(line, " ")
		out, err := command(t, append([]string{"__complete", name, "--admin=" + server.URL}, strings.Split(rest, " ")...)...)
		if err != nil || !strings.HasPrefix(out, want) || strings.Count(out, "\tlive") > 1 {
			t.Errorf("%s: %q, %v; want %q", line, out, err, want)
		}
	}
}
