package app

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// TestWrongUseOfWhatAsks: scripts tell it from what the program has found.
func TestWrongUseOfWhatAsks(t *testing.T) {
	for _, line := range []string{
		"status --nope", "check --nope", "explain edge-1", "diff", "diff x", "tail -o yaml", "top", "top pods", "pause", "pause a b",
		"resume", "resume --nope", "limits", "limits a --qps=x", "replay", "replay x", "support-bundle x", "version x",
	} {
		if out, err := command(t, strings.Fields(line)...); ExitCode(err) != 2 {
			t.Errorf("fairlead %s ends with %d: %v\n%s", line, ExitCode(err), err, out)
		}
	}
	if _, err := command(t, "status", "--wach"); err == nil || !strings.Contains(err.Error(), "did you mean --watch?") {
		t.Errorf("a flag that is mistyped: %v", err)
	}
}

// TestClustersAreCompleted: wherever the name of one is to be typed.
func TestClustersAreCompleted(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(api.Status{Clusters: []api.Cluster{{Name: "edge-1", State: member.Live}, {Name: "west", State: member.Live}}})
	}))
	t.Cleanup(server.Close)
	for line, want := range map[string]string{
		"status e": "edge-1\tlive\n", "pause e": "edge-1\tlive\n", "resume e": "edge-1\tlive\n", "limits e": "edge-1\tlive\n", "explain e": "edge-1\tlive\n",
		"replay --cluster e": "edge-1\tlive\n", "tail --cluster e": "edge-1\tlive\n", "diff --cluster west,e": "west,edge-1\tlive\n", "limits edge-1 w": ":4\n", "tail w": ":4\n",
	} {
		name, rest, _ := strings.Cut(line, " ")
		out, err := command(t, append([]string{"__complete", name, "--admin=" + server.URL}, strings.Fields(rest)...)...)
		if err != nil || !strings.HasPrefix(out, want) || strings.Count(out, "\tlive") > 1 {
			t.Errorf("%s: %q, %v; want %q", line, out, err, want)
		}
	}
}
