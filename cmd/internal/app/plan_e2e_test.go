package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/internal/testenv"
)

// planned runs fairlead config plan.
func planned(t *testing.T, path, ledger, clusters string) (planContent, int) {
	t.Helper()
	var out bytes.Buffer
	cmd := NewCommand(Options{Version: "test"})
	cmd.SetOut(&out)
	cmd.SetArgs([]string{"config", "plan", path, "-o", "json", "--ledger=" + ledger, "--clusters=kubeconfig:" + clusters})
	err := cmd.Execute()
	var content planContent
	if jsonErr := json.Unmarshal(out.Bytes(), &content); jsonErr != nil {
		t.Fatalf("%v: %v: %s", err, jsonErr, out.Bytes())
	}
	return content, ExitCode(err)
}

// testPlan compares what fairlead config plan says of settings with what a program that runs
// with them does then.
func testPlan(t *testing.T, env *testenv.Env) {
	const ns = "plan"
	o, other := newObjects(t, env.Cluster("beta"), ns), newObjects(t, env.Cluster("beta"), ns+"-other")
	for i := range 20 {
		o.create(fmt.Sprintf("o-%d", i))
	}
	other.create("one")
	dir, out := t.TempDir(), newRecorder()
	ledger, clusters, file := filepath.Join(dir, "ledger"), writeKubeconfig(t, env.Cluster("beta")), filepath.Join(dir, "file")
	watches := func(more string) string {
		return fmt.Sprintf("watches:\n- {resource: configmaps, namespace: %s%s, fieldSelector: metadata.name!=kube-root-ca.crt}\n", ns, more)
	}
	const screen = "routes:\n- 'stdout:'\n"
	two := screen + "- file:" + file + "\n"
	some := ", where: \"object.metadata.name.startsWith('o-1')\""
	for i, x := range []struct {
		what, text string
		want       []string // sink, resource, action, deliver, delete
		exit       int
	}{
		{"an empty ledger", watches("") + screen, nil, 0},
		{"the same", watches("") + screen, []string{"stdout: configmaps unchanged 0 0"}, 0},
		{"another sink", watches("") + two, []string{"file configmaps new 20 0", "stdout: configmaps unchanged 0 0"}, 2},
		{"a where", watches(some) + two, []string{"file configmaps snapshot 0 up to 20", "stdout: configmaps snapshot 0 up to 20"}, 2},
		{"the same", watches(some) + two, []string{"file configmaps unchanged 0 0", "stdout: configmaps unchanged 0 0"}, 0},
		{"another notion of change", watches(some+", changed: metadata.labels") + two, []string{"file configmaps snapshot 0 0", "stdout: configmaps snapshot 0 0"}, 2},
		{"the same", watches(some+", changed: metadata.labels") + two, []string{"file configmaps unchanged 0 0", "stdout: configmaps unchanged 0 0"}, 0},
		{"without where", watches("") + two, []string{"file configmaps snapshot ? 0", "stdout: configmaps snapshot ? 0"}, 2},
		{"a sink less", watches("") + screen, []string{"file configmaps sink taken out 0 0", "stdout: configmaps unchanged 0 0"}, 0},
		{"shaped", watches(", drop: data") + screen, []string{"file configmaps sink taken out 0 0", "stdout: configmaps delivered again 20 0"}, 2},
		{"shaped and selected", watches(some+", drop: metadata.labels") + screen, []string{"file configmaps sink taken out 0 0", "stdout: configmaps delivered again up to 20 up to 20"}, 2},
		{"a watch more", watches(some+", drop: metadata.labels") + "- namespaces?fieldSelector=metadata.name=plan\n" + screen,
			[]string{"file configmaps sink taken out 0 0", "stdout: configmaps unchanged 0 0", "stdout: namespaces new ? 0"}, 2},
		{"a watch less", "watches: ['namespaces?fieldSelector=metadata.name=plan']\n" + screen,
			[]string{"file configmaps sink taken out 0 0", "stdout: configmaps taken leave of 0 11", "stdout: namespaces unchanged 0 0"}, 2},
	} {
		path := writeConfig(t, x.text)
		deliver, deletions := none, none
		if i > 0 {
			content, exit := planned(t, path, ledger, clusters)
			var got []string
			for _, l := range content.Lines {
				got = append(got, fmt.Sprintf("%s %s %s %v %v", strings.Replace(l.Sink, "file:"+file, "file", 1), l.Resource, l.Action, l.Deliver, l.Delete))
				if l.Action != takesLeave { // whose deletions come after the retention
					deliver, deletions = deliver.plus(l.Deliver), deletions.plus(l.Delete)
				}
			}
			if diff := cmp.Diff(x.want, got); diff != "" || exit != x.exit {
				t.Errorf("run %d, %s: exit code %d, want %d (-want +got):\n%s", i, x.what, exit, x.exit, diff)
			}
		}
		seen, written := len(out.received()), lines(file)
		r := startWith(t, Options{}, out, "--config="+path, "--clusters=kubeconfig:"+clusters, "--ledger="+ledger)
		r.await("all is live and accepted", func() bool {
			c := r.cluster("beta")
			return r.streamsLive("beta") && !slices.ContainsFunc(c.Streams, func(s api.Stream) bool { return s.Unacked > 0 })
		})
		r.end()
		states, gone := 0, 0
		for _, line := range append(out.kept()[seen:], linesAfter(file, written)...) {
			if strings.Contains(line, ".deleted.v1\"") {
				gone++
			} else {
				states++
			}
		}
		if i == 0 {
			continue
		}
		for kind, n := range map[string]struct {
			got  int
			said atMost
		}{"delivered": {states, deliver}, "deleted": {gone, deletions}} {
			if n.said.Exact && n.got != n.said.Most || n.said.Most != anyNumber && n.got > n.said.Most {
				t.Errorf("run %d, %s: %d are %s, and the plan says %v", i, x.what, n.got, kind, n.said)
			}
		}
	}
}

// linesAfter returns the lines of a file but for the first n; none if there is no file.
func linesAfter(path string, n int) []string {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	all := strings.SplitAfter(string(text), "\n")
	return all[n : len(all)-1]
}

func lines(path string) int { return len(linesAfter(path, 0)) }
