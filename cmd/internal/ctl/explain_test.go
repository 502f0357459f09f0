package ctl

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

// Findings stand under the sentences and under the table, and nowhere else.
func TestExplainShowsFindings(t *testing.T) {
	x := api.Explanation{
		Cluster: "edge", Resource: "pods", Namespace: "shop", Name: "web\x1b[2J",
		Member: &api.InMember{Exists: true, ResourceVersion: "7"},
		Routes: []api.Verdict{{Route: "stdout:", Reason: api.ReasonSinkDown, Message: "The sink fails.", Code: "FL1301", Do: "Look at it."}},
		Findings: []api.Finding{
			{Code: "FL1301", Severity: api.SeverityError, Cause: "Sink db fails: no\x1broute.", Do: "Look at it.", Page: "docs/findings.md#fl1301"},
			{Code: "FL1023", Severity: api.SeverityWarning, Cause: "Its clock is wrong.", Do: "Mend it.", Page: "docs/findings.md#fl1023"},
		},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(x)
	}))
	defer server.Close()
	run := func(args ...string) string {
		t.Helper()
		cmd := NewExplain()
		var out strings.Builder
		cmd.SetOut(&out)
		cmd.SetErr(&out)
		cmd.SetArgs(append([]string{"edge", "pods/web", "-n", "shop", "--admin=" + server.URL}, args...))
		if err := cmd.ExecuteContext(t.Context()); err != nil {
			t.Fatalf("%v: %s", err, out.String())
		}
		return out.String()
	}
	const found = `  error FL1301: Sink db fails: no route. Look at it. (docs/findings.md#fl1301)
  warning FL1023: Its clock is wrong. Mend it. (docs/findings.md#fl1023)
`
	for args, want := range map[string]string{
		"": `pods shop/web [2J of cluster edge, version 7
  stdout: SinkDown: The sink fails. FL1301: Look at it.
  error FL1301: Sink db fails: no route. (docs/findings.md#fl1301)
  warning FL1023: Its clock is wrong. Mend it. (docs/findings.md#fl1023)
`,
		"-o=wide": `ROUTE     REASON     CODE     VERSION   DELIVERED   MESSAGE
stdout:   SinkDown   FL1301                         The sink fails.

` + found,
		"-o=name":                             "stdout:\n",
		"-o=wide --no-headers":                "stdout:   SinkDown   FL1301         The sink fails.\n",
		"-o=jsonpath={.findings[*].severity}": "error warning",
	} {
		if diff := cmp.Diff(want, run(strings.Fields(args)...)); diff != "" {
			t.Errorf("%s: -want +got:\n%s", args, diff)
		}
	}
}
