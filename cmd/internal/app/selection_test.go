package app

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-dev/fairlead/internal/testenv"
)

// testRules gives the program other rules with each start, over one ledger: a sink gets
// what is new to it, deletions of what it is to have no more, and everything in another
// form. What is the same in other words costs nothing.
func testRules(t *testing.T, env *testenv.Env) {
	const ns = "rules"
	o := newObjects(t, env.Cluster("beta"), ns)
	for i := range 20 {
		o.create(fmt.Sprintf("o-%d", i))
		o.patch(fmt.Sprintf("o-%d", i), "text")
	}
	dir, out := t.TempDir(), newRecorder()
	outcome := func(flags ...string) string {
		t.Helper()
		seen := len(out.received())
		r := startWith(t, Options{}, out, append(flags, "--clusters=kubeconfig:"+writeKubeconfig(t, env.Cluster("beta")), "--ledger="+filepath.Join(dir, "ledger"))...)
		r.await("its stream is live, and all is accepted", func() bool {
			return r.streamsLive("beta") && r.program.current().sources.Status()[0].Streams[0].Unacked == 0
		})
		n := snapshots(r, "beta")
		if s := r.program.current().sources.Status()[0].Streams[0]; s.Routes[0].FilterErrors > 0 {
			t.Errorf("%d errors of rules: %s", s.Routes[0].FilterErrors, s.Routes[0].LastFilterError)
		}
		r.end()
		states, deletions, data := 0, 0, 0
		for _, e := range out.received()[seen:] {
			switch {
			case e.Name == "kube-root-ca.crt":
			case strings.HasSuffix(e.Type, ".deleted.v1"):
				deletions++
			default:
				states++
				if strings.Contains(string(e.Data), "text") {
					data++
				}
			}
		}
		return fmt.Sprintf("%d snapshots, %d states, %d with data, %d deletions", n, states, data, deletions)
	}
	watch := "--watch=configmaps?namespace=" + ns
	some := "--where=configmaps: object.metadata.name.startsWith('o-1')"
	const none = "0 snapshots, 0 states, 0 with data, 0 deletions"
	for i, x := range []struct {
		what  string
		flags []string
		want  string
	}{
		{"everything", []string{watch}, "1 snapshots, 20 states, 20 with data, 0 deletions"},
		{"narrowed", []string{watch, some}, "1 snapshots, 0 states, 0 with data, 9 deletions"},
		{"the same", []string{watch, some}, none},
		{"the same of the sink", []string{watch, "--sink=stdout:?where=" + strings.TrimPrefix(some, "--where=")}, none},
		{"another notion of change", []string{watch, some, "--changed=configmaps: metadata.labels"}, "1 snapshots, 0 states, 0 with data, 0 deletions"},
		{"the same", []string{watch, some, "--changed=configmaps: metadata.labels"}, none},
		{"widened", []string{watch}, "1 snapshots, 9 states, 9 with data, 0 deletions"},
		{"shaped", []string{watch, "--drop=configmaps: data"}, "1 snapshots, 20 states, 0 with data, 0 deletions"},
		{"the same of the sink", []string{watch, "--sink=stdout:?drop=configmaps: data"}, none},
		{"the same of the watch", []string{watch + "&drop=data"}, none},
		{"whole again", []string{watch}, "1 snapshots, 20 states, 20 with data, 0 deletions"},
	} {
		if diff := cmp.Diff(x.want, outcome(x.flags...)); diff != "" {
			t.Errorf("run %d, %s (-want +got):\n%s", i, x.what, diff)
		}
	}
}

func TestRulesAreCheckedAtStart(t *testing.T) {
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct{ flag, says string }{
		{"--where=pods: object.metdata.name == 'a'", "--where: "},
		{"--where=object.metadata.name == 'a'", "--where: "},
		{"--changed=pods: metadata.managedFields", "--changed: "},
		{"--drop=pods: metadata.name", "--drop: "},
		{"--redact=pods: spec.secret", "--redact: "},
		{"--preset=heartbeat", "--preset: "},
		{"--redact-key-file=" + key, "--redact-key-file: "},
		{"--redact-key-file=" + key + ".none", "--redact-key-file: "},
		{"--sink=stdout:?where=pods: object.metdata", "--sink: stdout: where"},
		{"--watch=configmaps?where=object.metdata", "--watch: "},
	} {
		if _, err := parseFlags(t, "--watch=pods", x.flag); err == nil || !strings.Contains(err.Error(), x.says) {
			t.Errorf("%s: %v, want %q", x.flag, err, x.says)
		}
	}
}
