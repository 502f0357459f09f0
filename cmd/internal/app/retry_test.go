package app

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// A real program tries a cluster again that has refused it, long before its time.
func TestRetryOfAProgram(t *testing.T) {
	var probes atomic.Int64
	refuses := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		probes.Add(1)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write([]byte(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Unauthorized","message":"who are you","code":401}`))
	}))
	defer refuses.Close()
	path := filepath.Join(t.TempDir(), "fleet.yaml")
	writeFile(t, path, fmt.Sprintf(`{apiVersion: v1, kind: Config, users: [{name: me, user: {token: t}}],
clusters: [{name: a, cluster: {server: %q}}], contexts: [{name: alpha, context: {cluster: a, user: me}}]}`, refuses.URL))
	r := start(t, "--clusters=kubeconfig:"+path, "--watch=pods", "--sink=stdout:", "--reconnect-min=10ms", "--reconnect-max=24h", "--admin-bind-address=127.0.0.1:0")
	admin := "--admin=http://" + r.program.adminAddress.String()
	r.await("the cluster waits", func() bool { c := r.cluster("alpha"); return c.State == member.Waiting && c.Attempt > 1 })
	for range 3 {
		before := r.cluster("alpha").Attempt
		out, err := command(t, "retry", "alpha", "-o", "json", admin)
		var said struct{ Clusters []api.Retrying }
		if err != nil || json.Unmarshal([]byte(out), &said) != nil || len(said.Clusters) != 1 || !said.Clusters[0].Connects || said.Clusters[0].State != member.Waiting || said.Clusters[0].LastError == "" {
			t.Fatalf("%s: %v", out, err)
		}
		r.await("it was tried once more", func() bool { return r.cluster("alpha").Attempt > before })
	}
	if out, err := command(t, "retry", "beta", admin); err == nil || !strings.Contains(err.Error(), `there is no cluster "beta"; there are: alpha`) {
		t.Errorf("of a cluster that there is not: %s, %v", out, err)
	}
	for query, want := range map[string]int{"": 400, "cluster=alpha&by=a%0Ab": 400, "cluster=alpha&now=true": 400, "cluster=" + strings.Repeat("x", 1000): 404} {
		resp := must(http.Post("http://"+r.program.adminAddress.String()+"/retry?"+query, "", nil))(t)
		if _ = resp.Body.Close(); resp.StatusCode != want {
			t.Errorf("%.30s: %s, want %d", query, resp.Status, want)
		}
	}
	if out, err := command(t, "pause", "alpha", "--mode=stop", admin); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	if out, err := command(t, "retry", "alpha", admin); err != nil || !strings.Contains(out, "nothing waits") || !strings.Contains(out, "paused") {
		t.Errorf("of one that is paused: %s, %v", out, err)
	}
}
