package fleet

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

func TestFirstOwnerKeepsTheName(t *testing.T) {
	dir := t.TempDir()
	first, second := filepath.Join(dir, "1.yaml"), filepath.Join(dir, "2.yaml")
	write(t, first, kubeconfig("z"))
	write(t, second, kubeconfig("a"))
	h := newHarness(t, "kubeconfig:"+first, "kubeconfig:"+second)
	wantCalls(t, "first poll", h.tick(), "set z", "set a")

	// The intruder comes from the provider that is named first.
	intruder := strings.ReplaceAll(kubeconfig("a"), "https://a.", "https://intruder.")
	write(t, first, intruder)
	wantCalls(t, "a second description of a", h.settle(), "remove z")
	wantMessages(t, h, dir, fmt.Sprintf("file 1.yaml, context a: cluster %q is described by file 2.yaml, context a already, which keeps the name; rename or remove one", "a"))
	if got := h.members["a"].REST.Host; got != "https://a.example:6443" {
		t.Errorf("the intruder took over: %s", got)
	}

	remove(t, second)
	wantCalls(t, "the owner leaves", h.settle(), "set a")
	if got := h.members["a"].REST.Host; got != "https://intruder.example:6443" {
		t.Errorf("a is at %s", got)
	}
	write(t, second, intruder)
	h.settle()
	remove(t, first)
	wantCalls(t, "the same description from elsewhere", h.settle())
}

func TestCheckRefusesDuplicates(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	write(t, in("1.yaml"), kubeconfig("a", "b", "c"))
	write(t, in("2.yaml"), kubeconfig("c", "d"))
	write(t, in("3.yaml"), "broken: [")
	values := []string{"kubeconfig:" + in("1.yaml"), "kubeconfig:" + in("2.yaml"), "kubeconfig:" + in("3.yaml"), "kubeconfig:" + in("missing")}

	err := newHarness(t, values...).Check()
	want := fmt.Sprintf("--clusters: cluster %q is described more than once: file %s, context c and file %s, context c; rename one, or pick others with ?contexts=", "c", in("1.yaml"), in("2.yaml"))
	if err == nil || err.Error() != want {
		t.Errorf("Check = %v\nwant %s", err, want)
	}

	values[1] += "?contexts=d,a" // there is no a in 2.yaml
	if err := newHarness(t, values...).Check(); err != nil {
		t.Errorf("Check = %v", err)
	}
	// A description that is of no use still has the name.
	write(t, in("1.yaml"), strings.Replace(kubeconfig("d"), "server:", "no-server:", 1))
	if err := newHarness(t, values...).Check(); err == nil {
		t.Error("Check accepts two descriptions because one is of no use")
	}
}

func TestCheckRefusesSameNameInDir(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.yaml"), kubeconfig("x"))
	write(t, filepath.Join(dir, "a.yml"), "")
	err := newHarness(t, "dir:"+dir).Check()
	if err == nil || !strings.Contains(err.Error(), "a.yaml") || !strings.Contains(err.Error(), "a.yml") {
		t.Errorf("Check = %v, want an error that names both files", err)
	}
}

func TestCurrentKubeconfig(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	t.Setenv("KUBECONFIG", strings.Join([]string{in("none"), in("1"), in("2")}, string(filepath.ListSeparator)))
	h := newHarness(t)

	for _, tc := range []struct{ name, one, two, want string }{
		{"no files", "", "", "does not exist or is empty"},
		{"no current context", kubeconfig("a", "b"), "", `has no current context, but the contexts "a", "b"`},
		{"current context that is not there", kubeconfig("a") + "current-context: x", "", `the current context "x" does not exist, but the context "a"`},
		{"broken second file", kubeconfig("a") + "current-context: a", "{", "is not valid YAML"},
	} {
		write(t, in("1"), tc.one)
		write(t, in("2"), tc.two)
		if err := h.Check(); err == nil || !strings.Contains(err.Error(), tc.want) ||
			!strings.HasPrefix(err.Error(), "--clusters is not set, and the current kubeconfig describes no cluster: file ") {
			t.Errorf("%s: Check = %v, want one that says %q", tc.name, err, tc.want)
		}
	}

	// The first file that says something wins.
	write(t, in("1"), strings.Replace(kubeconfig("a"), "https://a.", "https://first.", 1))
	write(t, in("2"), kubeconfig("a", "b")+"current-context: a\n")
	if err := h.Check(); err != nil {
		t.Fatal(err)
	}
	wantCalls(t, "current context only", h.tick(), "set a")
	m := h.members["a"]
	if m.REST.Host != "https://first.example:6443" || m.Source != "file "+in("1")+", context a" {
		t.Errorf("a is at %s, from %s", m.REST.Host, m.Source)
	}
	write(t, in("2"), kubeconfig("a", "b")+"current-context: b\n")
	wantCalls(t, "kubectl config use-context b", h.settle(), "remove a", "set b")
}

func TestServiceAccount(t *testing.T) {
	dir := t.TempDir()
	cert, _ := keyPair(t)
	h := newHarnessOf(t, &currentProvider{paths: []string{filepath.Join(dir, "none")}, fallback: func() *clientcmdapi.Config {
		return podConfig("10.0.0.1", "443", dir)
	}})
	wantCalls(t, "outside a pod", h.settle())
	if h.Check() == nil {
		t.Error("Check accepts that there is no cluster at all")
	}
	write(t, filepath.Join(dir, "ca.crt"), cert)
	write(t, filepath.Join(dir, "token"), secret)
	wantCalls(t, "in a pod", h.settle(), "set in-cluster")
	rc := h.members["in-cluster"].REST
	if rc.Host != "https://10.0.0.1:443" || string(rc.CAData) != cert || rc.BearerTokenFile != filepath.Join(dir, "token") {
		t.Errorf("in-cluster is at %s with token file %q", rc.Host, rc.BearerTokenFile)
	}
	if podConfig("", "443", dir) != nil || podConfig("h", "", dir) != nil {
		t.Error("a pod without the API server's address")
	}
	write(t, filepath.Join(dir, "none"), kubeconfig("a")+"current-context: a")
	wantCalls(t, "a kubeconfig comes first", h.settle(), "remove in-cluster", "set a")
}

func TestRun(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.yaml"), kubeconfig("x"))
	providers, err := Parse([]string{"dir:" + dir})
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{members: map[string]Member{}}
		reg := prometheus.NewPedanticRegistry()
		f := New(Options{Providers: providers, Handler: r, Registerer: reg})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- f.Run(ctx) }()

		synctest.Wait()
		wantCalls(t, "at once", r.take(), "set a")
		write(t, filepath.Join(dir, "b.yaml"), kubeconfig("y"))
		write(t, filepath.Join(dir, "c.yaml"), "{")
		time.Sleep(2 * defaultPollInterval)
		synctest.Wait()
		wantCalls(t, "after two intervals", r.take(), "set b")

		want := map[string]float64{
			"fairlead_fleet_members": 2, "fairlead_fleet_problems{dir:" + dir + "}": 1,
			"fairlead_fleet_events_dropped_total": 0,
		}
		if diff := cmp.Diff(want, gauges(t, reg)); diff != "" {
			t.Error(diff)
		}
		if p := f.Problems(); len(p) != 1 || p[0].Cluster != "c" {
			t.Errorf("problems: %v", p)
		}

		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
		wantCalls(t, "stopping removes nobody", r.take())
		if left := gauges(t, reg); len(left) != 0 {
			t.Errorf("metrics outlive Run: %v", left)
		}
	})
}

// gauges returns the values of all gauges, by name and label values.
func gauges(t *testing.T, reg *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			name := family.GetName()
			for _, label := range metric.GetLabel() {
				name += "{" + label.GetValue() + "}"
			}
			values[name] = metric.GetGauge().GetValue()
		}
	}
	return values
}

func TestRunReportsMetricsThatClash(t *testing.T) {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collector{New(Options{})})
	if err := New(Options{Registerer: reg}).Run(t.Context()); err == nil {
		t.Error("Run = nil")
	}
}

func TestProblemsAreLoggedOnce(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.yaml")
	write(t, path, "{")
	h := newHarness(t, "dir:"+dir)
	for range 5 {
		h.tick()
	}
	write(t, path, kubeconfig("x"))
	for range 5 {
		h.tick()
	}
	var got []string
	for line := range strings.Lines(h.logs.String()) {
		_, message, _ := strings.Cut(line, `"msg"=`)
		message, _, _ = strings.Cut(message, ` "`)
		got = append(got, strings.TrimSpace(message))
	}
	want := []string{`"Cluster description cannot be used"`, `"Cluster description's problem is over"`, `"Cluster joins the fleet"`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// BenchmarkIdlePoll is what a fleet of a thousand files costs every
// PollInterval while nothing changes.
func BenchmarkIdlePoll(b *testing.B) {
	dir := b.TempDir()
	pad := "# " + strings.Repeat("x", 10<<10) + "\n"
	for i := range 1000 {
		write(b, filepath.Join(dir, fmt.Sprintf("c%d.yaml", i)), kubeconfig("x")+pad)
	}
	providers, err := Parse([]string{"dir:" + dir})
	if err != nil {
		b.Fatal(err)
	}
	f := New(Options{Providers: providers, Handler: &recorder{members: map[string]Member{}}})
	f.poll(time.Now())
	b.ReportAllocs()
	for b.Loop() {
		f.poll(time.Now())
	}
}
