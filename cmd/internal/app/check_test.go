package app

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
)

func TestFlagsOfCheck(t *testing.T) {
	for _, test := range []struct {
		args []string
		says string
	}{
		{[]string{"--pre", "--deep"}, "leave one out"},
		{[]string{"--watch=pods"}, "--watch is a flag of fairlead run"},
		{[]string{"--fail-on=info"}, "neither error nor warning"},
		{[]string{"--timeout=-1s"}, "negative"},
		{[]string{"--pre", "--watch=pods", "--cluster-qps=fast"}, "--cluster-qps"},
		{[]string{"--admin=http://127.0.0.1:1"}, "is fairlead run up there"},
	} {
		out, err := command(t, append([]string{"check"}, test.args...)...)
		if err == nil || !strings.Contains(err.Error(), test.says) || ExitCode(err) != 2 {
			t.Errorf("%v: %q, %v, exit code %d; want %q", test.args, out, err, ExitCode(err), test.says)
		}
	}
}

// Before a program is started, everything that it would need is asked, and only that.
func TestPrecheckOfWhatIsNotThere(t *testing.T) {
	member := testenv.StartHostile(t, "edge")
	member.Put("configmaps", "default", "a", nil)
	fleet := "--clusters=kubeconfig:" + writeKubeconfig(t, member)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	down := writeKubeconfig(t, target{"hub", &rest.Config{Host: gone.URL}})
	broken := t.TempDir()
	writeFile(t, filepath.Join(broken, "bad.yaml"), "canary: {")
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "other"), "")
	for name, test := range map[string]struct {
		flags []string
		codes []string // all that is found
		says  string
	}{
		"all is there":         {[]string{fleet, "--sink=file:" + filepath.Join(dir, "out")}, nil, ""},
		"a sink is down":       {[]string{fleet, "--sink=" + gone.URL + "/in"}, []string{"FL1305"}, "refused"},
		"the lock is down":     {[]string{fleet, "--sink=stdout:", "--leader-elect", "--leader-election-namespace=x", "--hub-kubeconfig=" + down}, []string{"FL1503"}, "refused"},
		"no hub":               {[]string{"--clusters=secrets:x", "--sink=stdout:", "--hub-kubeconfig=" + down}, []string{"FL1001"}, "hub"},
		"no folder":            {[]string{fleet, "--sink=stdout:", "--ledger=" + filepath.Join(dir, "none", "ledger")}, []string{"FL1404"}, "no such file"},
		"no ledger":            {[]string{fleet, "--sink=stdout:", "--ledger=" + filepath.Join(dir, "other")}, []string{"FL1404"}, "other"},
		"a bad description":    {[]string{"--clusters=dir:" + broken, "--sink=stdout:"}, []string{"FL1001"}, "bad.yaml"},
		"no description":       {[]string{"--clusters=dir:" + t.TempDir(), "--sink=stdout:"}, []string{"FL1015"}, "No cluster"},
		"a name is used twice": {[]string{fleet, "--clusters=kubeconfig:" + writeKubeconfig(t, member), "--sink=stdout:"}, []string{"FL1001"}, "described"},
	} {
		t.Run(name, func(t *testing.T) {
			args := []string{"check", "--pre", "--timeout=2s", "--watch=configmaps", "-o=json"}
			if !slices.ContainsFunc(test.flags, func(f string) bool { return strings.HasPrefix(f, "--ledger") }) {
				args = append(args, "--ledger=memory:")
			}
			out, err := command(t, append(args, test.flags...)...)
			if err != nil && !errors.Is(err, errFound) {
				t.Fatal(err)
			}
			if strings.Contains(out, "canary") {
				t.Errorf("credentials are shown: %s", out)
			}
			var c api.Check
			if err := json.Unmarshal([]byte(out), &c); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			var codes []string
			for _, f := range c.Findings {
				codes = append(codes, f.Code)
			}
			if !slices.Equal(codes, test.codes) || test.says != "" && !strings.Contains(out, test.says) {
				t.Errorf("found %v, want %v that say %q: %s", codes, test.codes, test.says, out)
			}
			if failed := slices.ContainsFunc(c.Findings, func(f api.Finding) bool { return f.Severity == api.SeverityError }); failed != (ExitCode(err) == 1) {
				t.Errorf("exit code %d", ExitCode(err))
			}
		})
	}
}

// A member that echoes what it was sent, or never ends, is told of in a bounded text
// without credentials.
func TestPrecheckOfALyingMember(t *testing.T) {
	for name, lie := range map[string]testenv.Lie{
		"echo": testenv.Echo(500), "endless": testenv.Endless(200, `{"gitVersion":"`, "x"), "HTML": testenv.HTML(200), "bomb": testenv.GzipBomb(200, `{"a":[`, `{},`),
	} {
		t.Run(name, func(t *testing.T) {
			member := testenv.StartHostile(t, "edge")
			member.Lie(testenv.Everything, lie)
			out, err := command(t, "check", "--pre", "--timeout=2s", "--watch=configmaps", "--sink=stdout:", "--ledger=memory:", "--clusters=kubeconfig:"+writeKubeconfig(t, member))
			if ExitCode(err) != 1 || !strings.Contains(out, "Cluster edge") && !strings.Contains(out, "cluster edge") || len(out) > 4096 || strings.Contains(out, "canary") {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}

// Before a program is started, nothing is made of what it would make.
func TestPrecheckMakesNothing(t *testing.T) {
	member := testenv.StartHostile(t, "edge")
	member.Put("configmaps", "default", "a", nil)
	fleet := "--clusters=kubeconfig:" + writeKubeconfig(t, member)
	dir := t.TempDir()
	out, err := command(t, "check", "--pre", "--timeout=2s", "--watch=configmaps", fleet,
		"--sink=file:"+filepath.Join(dir, "out"), "--ledger="+filepath.Join(dir, "ledger"), "--dead-letter="+filepath.Join(dir, "dead"))
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if made := must(filepath.Glob(filepath.Join(dir, "*")))(t); len(made) > 0 {
		t.Errorf("%v was made", made)
	}
}

// A named pipe is left alone, and told.
func TestPrecheckOfAPipe(t *testing.T) {
	member := testenv.StartHostile(t, "edge")
	member.Put("configmaps", "default", "a", nil)
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := command(t, "check", "--pre", "--timeout=2s", "--watch=configmaps", "--clusters=kubeconfig:"+writeKubeconfig(t, member), "--sink=file:"+pipe, "--ledger=memory:")
	if err != nil || !strings.Contains(out, "FL1306") || !strings.Contains(out, "a named pipe; not opened") || strings.Contains(out, "FL1305") {
		t.Errorf("%v: %s", err, out)
	}
}

// notedSink is a sink that notes its checks.
type notedSink struct {
	pipeline.Sink
	checked func()
}

func (s notedSink) Check(context.Context) error {
	s.checked()
	return nil
}

// The sinks of a program that runs are not asked themselves: their check may make something.
func TestCheckOpensSinksForATrial(t *testing.T) {
	trials, opened := 0, 0
	spec := &sinks.Spec{Open: func(_ context.Context, env sinks.Env) (pipeline.Sink, error) {
		if opened++; !env.Trial {
			t.Error("it is opened to deliver")
		}
		return notedSink{checked: func() { trials++ }}, nil
	}}
	open := func(name string, to pipeline.Sink) *sink {
		return &sink{destination: &destination{wanted: wanted{name: name, spec: spec}, to: to}}
	}
	e := &engine{sinks: openSinks{open("a", notedSink{checked: func() { t.Error("the sink that delivers is checked") }}), open("b", struct{ pipeline.Sink }{})}}
	want := []api.SinkProbe{{Name: "a", Checked: true}, {Name: "b"}}
	if got := e.askSinks(t.Context()); !slices.Equal(got, want) || trials != 1 || opened != 1 {
		t.Errorf("%+v, %d checks, %d were opened", got, trials, opened)
	}
}

// What repairs is posted: a GET is answered without an audit.
func TestADeepCheckIsPosted(t *testing.T) {
	deep := 0
	a := &admin{log: logr.Discard(), stop: make(chan struct{}), check: func(_ context.Context, is bool) (*api.Check, error) {
		if is {
			deep++
		}
		return &api.Check{}, nil
	}}
	s := httptest.NewServer(a.handler())
	t.Cleanup(s.Close)
	resp := must(http.Get(s.URL + "/check?deep=true"))(t)
	if err := resp.Body.Close(); err != nil || resp.StatusCode != http.StatusMethodNotAllowed || deep != 0 {
		t.Errorf("GET: %s, %d audits", resp.Status, deep)
	}
	for _, args := range [][]string{nil, {"--deep"}} {
		if out, err := command(t, append([]string{"check", "--admin=" + s.URL}, args...)...); err != nil || deep != len(args) {
			t.Errorf("%v: %s, %v, %d audits", args, out, err, deep)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

// One check is made at a time.
func TestAnotherCheckIsUnderWay(t *testing.T) {
	a := &admin{log: logr.Discard(), stop: make(chan struct{}), check: func(context.Context, bool) (*api.Check, error) { return nil, errChecking }}
	s := httptest.NewServer(a.handler())
	t.Cleanup(s.Close)
	if out, err := command(t, "check", "--admin="+s.URL); err == nil || !strings.Contains(err.Error(), "another check is under way") || ExitCode(err) != 2 {
		t.Errorf("%q, %v", out, err)
	}
	for _, query := range []string{"within=soon", "within=1h", "within=-1s", "wide=1"} {
		resp := must(http.Get(s.URL + "/check?" + query))(t)
		if err := resp.Body.Close(); err != nil || resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %s", query, resp.Status)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}
