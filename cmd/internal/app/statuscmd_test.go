package app

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/cmd/internal/ctl"
	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// TestStatusTellsOfARealFleet: what the commands say, and their exit codes, follow what
// happens to a member.
func TestStatusTellsOfARealFleet(t *testing.T) {
	const ns = "status"
	env := testenv.Start(t, testenv.Spec{Name: "edge-1"}, testenv.Spec{Name: "edge-2"})
	proxy := newProxy(t, env.Cluster("edge-2"))
	newObjects(t, env.Cluster("edge-1"), ns).create("one")
	r := start(t, "--clusters=kubeconfig:"+writeKubeconfig(t, env.Cluster("edge-1"), proxy), "--watch=configmaps?namespace="+ns, "--admin-bind-address=127.0.0.1:0")
	admin := "--admin=http://" + r.program.adminAddress.String()
	ask := func(code int, args ...string) string {
		t.Helper()
		out, err := command(t, append(args, admin)...)
		if got := ExitCode(err); got != code {
			t.Fatalf("fairlead %s ends with %d (%v), not %d:\n%s", strings.Join(args, " "), got, err, code, out)
		}
		return out
	}

	out := ask(0, "status", "--wait=live", "--timeout=2m")
	if lines := strings.Split(out, "\n"); !strings.HasPrefix(lines[0], "NAME     STATE   SINCE   STREAMS") || !strings.HasPrefix(lines[1], "edge-1   live") || !strings.Contains(out, "\n2 of 2 clusters are live") {
		t.Errorf("of a healthy fleet it says\n%s", out)
	}
	testExamples(t, "../../../docs/cli.md", admin)
	proxy.Cut()
	out = ask(0, "status", "edge-2", "--wait=backing-off", "--timeout=2m")
	if !strings.Contains(out, "\n0 of 1 clusters are live") {
		t.Errorf("of one that is down it says\n%s", out)
	}
	r.await("the connection is down, too", func() bool { return r.cluster("edge-2").State == member.BackingOff })
	out = ask(1, "status")
	if lines := strings.Split(out, "\n"); !strings.HasPrefix(lines[1], "edge-2   ") || !strings.Contains(lines[1], "unreachable") || !strings.HasPrefix(lines[2], "edge-1   live") {
		t.Errorf("what is wrong does not come first, with its reason:\n%s", out)
	}
	const none = "--selector region=north: no cluster has these labels, which Secrets and ClusterProfiles give them; fairlead status -o wide tells of all\n"
	for _, test := range []struct {
		code int
		args string
		want string
	}{
		{1, "status -o name", "cluster/edge-2\ncluster/edge-1\n"},
		{0, "status -o name --state=live", "cluster/edge-1\n"},
		{1, "status --no-headers -o custom-columns=N:.name,R:.routes[0].inStep,X:.x --sort-by={.name}", "edge-1   true   <none>\nedge-2   true   <none>\n"},
		{1, "status -o jsonpath={.clusters[*].name}", "edge-2 edge-1"},
		{0, "status -l region=north -o name", none},
		{2, "status gamma", ""},
		{2, "status --state=dead", ""},
		{0, "__complete status edge-1 e", "edge-2\t"},
		{0, "top clusters --interval=100ms -o name --sort-by=name", "cluster/edge-1\ncluster/edge-2\n"},
		{0, "top streams --interval=100ms --no-headers -o custom-columns=C:.cluster,R:.resource --sort-by=cluster", "edge-1   configmaps\nedge-2   configmaps\n"},
		{0, "top sinks --interval=100ms --no-headers -o custom-columns=S:.state", "healthy\n"},
		{0, "top clusters --interval=100ms -o name -l region=north", none},
		{2, "top pods", ""},
	} {
		args := strings.Fields(test.args)
		if args[0] == "__complete" { // flags go before what is to be completed
			args = append([]string{args[0], args[1], admin}, args[2:]...)
			if got, err := command(t, args...); err != nil || !strings.HasPrefix(got, test.want) || strings.Contains(got, "edge-1") {
				t.Errorf("%s: %q, %v; want %q", test.args, got, err, test.want)
			}
			continue
		}
		if got := ask(test.code, args...); got != test.want {
			t.Errorf("%s prints %q, want %q", test.args, got, test.want)
		}
	}
	var s api.Status
	if err := json.Unmarshal([]byte(ask(1, "status", "-o", "json")), &s); err != nil || len(s.Clusters) != 2 || s.Clusters[0].Name != "edge-2" {
		t.Errorf("%+v, %v", s.Clusters, err)
	}
	if out := ask(0, "version"); !strings.Contains(out, "\nrunning: ") {
		t.Errorf("of the running version it says %q", out)
	}
	if out := ask(0, "version", "-o", "jsonpath={.client.go}|{.running.go}"); !strings.Contains(out, runtime.Version()+" ") || strings.Count(out, runtime.Version()) != 2 {
		t.Errorf("of both versions it says %q", out)
	}

	// It tells again, to something that is no terminal one after the other.
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	watched := &twice{what: "clusters are live", then: cancel}
	cmd := NewCommand(Options{})
	cmd.SetArgs([]string{"status", "-w", admin})
	cmd.SetOut(watched)
	if err := cmd.ExecuteContext(ctx); strings.Contains(watched.text.String(), "\x1b") || ExitCode(err) != 1 {
		t.Errorf("--watch writes %q, %v", watched.text.String(), err)
	}
	restore(t, proxy)
	_ = ask(0, "status", "--wait=live", "--timeout=2m")

	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	_, err := command(t, "status", "--wait=live", "--timeout=1s", admin)
	if end, ok := errors.AsType[*ctl.ExitError](err); !ok || end.Code != ctl.ExitUnasked {
		t.Errorf("of a program that is gone: %v", err)
	}
}

// twice keeps what is written, until something stands in it twice.
type twice struct {
	text strings.Builder // a field: its WriteString would go past Write
	what string
	then func()
}

func (w *twice) Write(b []byte) (int, error) {
	n, err := w.text.Write(b)
	if strings.Count(w.text.String(), w.what) >= 2 {
		w.then()
	}
	return n, err
}

// testExamples runs the commands of a page that only ask, and end.
func testExamples(t *testing.T, path, admin string) {
	t.Helper()
	run := 0
	for _, block := range codeBlock.FindAllStringSubmatch(string(must(os.ReadFile(path))(t)), -1) {
		if !strings.Contains(block[0], "```sh\n") {
			continue
		}
		for line := range strings.Lines(block[1]) {
			arguments, is := strings.CutPrefix(strings.TrimSpace(line), "fairlead ")
			if !is || !strings.HasPrefix(arguments, "status") && !strings.HasPrefix(arguments, "top") ||
				strings.HasSuffix(arguments, "-w") || strings.Contains(arguments, "--wait=paused") {
				continue
			}
			run++
			var args []string
			for i, part := range strings.Split(arguments, "'") { // every second one is quoted
				if i%2 == 0 {
					args = append(args, strings.Fields(part)...)
				} else {
					args[len(args)-1] += part
				}
			}
			if args[0] == "top" {
				args = append(args, "--interval=100ms")
			}
			if out, err := command(t, append(args, admin)...); err != nil {
				t.Errorf("%s: %v\n%s", strings.TrimSpace(line), err, out)
			}
		}
	}
	if run < 10 {
		t.Errorf("%s has %d such commands; are they written otherwise now?", path, run)
	}
}
