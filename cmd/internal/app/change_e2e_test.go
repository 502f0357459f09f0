package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
)

// changing is a program whose configuration file changes while it runs.
type changing struct {
	*running
	path string
}

// reload writes the file and has the program read it. It returns what /clusters says then.
func (r *changing) reload(text string) *api.Config {
	r.t.Helper()
	before := r.program.reloader.status()
	writeFile(r.t, r.path, configHeader+text)
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		r.t.Fatal(err)
	}
	var now *api.Config
	r.await("the file has been read", func() bool {
		now = r.program.reloader.status()
		return now.Applied != before.Applied || now.Error != before.Error
	})
	return now
}

// settled waits until all streams are live, and all that they have seen is accepted.
func (r *changing) settled(streams int) {
	r.t.Helper()
	r.await("all is live and accepted", func() bool {
		c := r.cluster("beta")
		return len(c.Streams) == streams && r.streamsLive("beta") &&
			!slices.ContainsFunc(c.Streams, func(s api.Stream) bool { return s.Unacked > 0 })
	})
}

// snapshotsOf returns how many snapshots each stream of the engine has begun.
func (r *changing) snapshotsOf() map[string]uint64 {
	all := map[string]uint64{}
	for _, s := range r.cluster("beta").Streams {
		n := uint64(0)
		for _, count := range s.Snapshots {
			n += count
		}
		all[s.Stream] = n
	}
	return all
}

// testChanges changes rules, watches and routes in the file of a program that runs: what
// comes of it is what a restart would do, and streams that have not changed go on.
func testChanges(t *testing.T, env *testenv.Env) {
	for _, ledger := range []string{"memory:", filepath.Join(t.TempDir(), "ledger")} {
		t.Run(strings.TrimSuffix(filepath.Base(ledger), ":"), func(t *testing.T) { testChangesWith(t, env, ledger) })
	}
}

func testChangesWith(t *testing.T, env *testenv.Env, ledger string) {
	name := "live-" + strings.TrimSuffix(filepath.Base(ledger), ":")
	o, other := newObjects(t, env.Cluster("beta"), name), newObjects(t, env.Cluster("beta"), name+"-other")
	for i := range 20 {
		o.create(fmt.Sprintf("o-%d", i))
	}
	other.create("stays")
	const routes = "routes:\n- 'stdout:'\n"
	added := filepath.Join(t.TempDir(), "added")
	watch := func(more string) string {
		return fmt.Sprintf("watches:\n- {resource: configmaps, namespace: %s-other}\n- {resource: configmaps, namespace: %s%s}\n", name, name, more)
	}
	where := func(expression string) string { return fmt.Sprintf(", where: %q", expression) }

	path := writeConfig(t, watch("")+routes)
	r := &changing{start(t, "--config="+path, "--ledger="+ledger, "--clusters=kubeconfig:"+writeKubeconfig(t, env.Cluster("beta"))), path}
	r.settled(2)
	r.awaitSame(o)

	// outcome says what a change of the file comes to: snapshots of both namespaces, and events.
	outcome := func(text string, streams int) string {
		t.Helper()
		seen := len(r.out.received())
		if s := r.reload(text); s.Error != "" || len(s.NeedsRestart) > 0 {
			t.Errorf("the file: %+v", s)
		}
		r.settled(streams)
		states, deletions, others := 0, 0, 0
		for _, e := range r.out.received()[seen:] {
			switch {
			case e.Name == "kube-root-ca.crt":
			case e.Namespace != name:
				others++
			case strings.HasSuffix(e.Type, ".deleted.v1"):
				deletions++
			default:
				states++
			}
		}
		n := r.snapshotsOf()
		return fmt.Sprintf("%d+%d snapshots, %d states, %d deletions, %d others", n["configmaps?namespace="+name], n["configmaps?namespace="+name+"-other"], states, deletions, others)
	}
	const none = "0+0 snapshots, 0 states, 0 deletions, 0 others"
	ones, tens := where("object.metadata.name.startsWith('o-1')"), where("object.metadata.name == 'o-10'")
	file := routes + "- file:" + added + "\n"
	for i, x := range []struct {
		what, text string
		streams    int
		want       string
	}{
		{"a where more", watch(ones) + routes, 2, "1+0 snapshots, 0 states, 9 deletions, 0 others"},
		{"a tuning", watch(ones) + routes + "workers: 3\n", 2, none},
		{"narrowed", watch(tens) + routes, 2, "1+0 snapshots, 0 states, 10 deletions, 0 others"},
		{"the where of all sinks", watch("") + routes + "where: [\"configmaps: object.metadata.name in ['o-10', 'stays']\"]\n", 2, "1+1 snapshots, 0 states, 0 deletions, 0 others"},
		{"no where", watch("") + routes, 2, "1+1 snapshots, 19 states, 0 deletions, 0 others"},
		{"a route more", watch("") + file, 2, "1+1 snapshots, 0 states, 0 deletions, 0 others"},
		{"a where of a route", watch("") + routes + "- sink: file:" + added + "\n  where: [\"configmaps: object.metadata.name == 'o-7'\"]\n", 2, "1+1 snapshots, 0 states, 0 deletions, 0 others"},
		{"a route less", watch("") + routes, 2, none},
		{"a watch more", watch("") + "- namespaces?fieldSelector=metadata.name=" + name + "\n" + routes, 3, "0+0 snapshots, 0 states, 0 deletions, 1 others"},
		{"a watch less", watch("") + routes, 2, none},
	} {
		if diff := cmp.Diff(x.want, outcome(x.text, x.streams)); diff != "" {
			t.Errorf("change %d, %s (-want +got):\n%s", i, x.what, diff)
		}
	}
	sent := string(must(os.ReadFile(added))(t))
	for i := range 20 {
		if line := fmt.Sprintf(`"name":"o-%d"`, i); !strings.Contains(sent, line) {
			t.Errorf("the added route was never told of %s", line)
		}
	}
	if n := strings.Count(sent, ".deleted.v1"); n < 19+1 || strings.Contains(sent, `o-7","namespace":"`+name+`","op":"deleted"`) {
		t.Errorf("the added route was told of %d deletions, want those of all but o-7", n)
	}

	// The ledger knows of a sink that came later: it will be told of the end of a watch, too.
	outcome(watch("")+"- namespaces?fieldSelector=metadata.name="+name+"\n"+file, 3)
	outcome(watch("")+file, 2)
	r.await("nobody follows namespaces for any sink", func() bool {
		var sinks []string
		for _, c := range r.program.ledger.Unwatched("beta", time.Now().Add(2*r.program.settings.LedgerRetention)) {
			sinks = append(sinks, c.ID().Route)
		}
		return slices.Equal(sinks, []string{"file:" + added, "stdout:"})
	})

	// What changes in the cluster meanwhile arrives once.
	for i := range 5 {
		o.patch(fmt.Sprintf("o-%d", i), "meanwhile")
		outcome(watch("")+routes+fmt.Sprintf("workers: %d\n", i+4), 2)
	}
	told := map[string]int{}
	state := map[string]string{}
	for _, e := range deliveries(r.running, "beta") {
		if e.Namespace != name {
			continue
		}
		apply(state, e)
		if strings.Contains(string(e.Data), "meanwhile") {
			told[e.Name]++
		}
	}
	if diff := cmp.Diff(map[string]int{"o-0": 1, "o-1": 1, "o-2": 1, "o-3": 1, "o-4": 1}, told); diff != "" {
		t.Errorf("changes that came while the settings changed (-want +got):\n%s", diff)
	}
	want := o.list()
	delete(want, "kube-root-ca.crt")
	if diff := cmp.Diff(want, state); diff != "" {
		t.Errorf("what the sink has (-want +got):\n%s", diff)
	}
	testBrokenFiles(t, r, watch("")+routes, none, outcome)
	if got := testutil.ToFloat64(r.program.reloader.metrics.successful); got != 1 {
		t.Errorf("the last file was good, and the metric is %v", got)
	}
}

// testBrokenFiles gives the program files that it cannot use: all goes on as before.
func testBrokenFiles(t *testing.T, r *changing, good, none string, outcome func(string, int) string) {
	t.Helper()
	engine := r.program.current()
	for _, x := range []struct{ text, says string }{
		{good + "where: ['configmaps: object.metdata.name']\n", "object.metdata"},
		{good + "- file:/nowhere/at/all\n", "--sink file:/nowhere/at/all: "},
		{good + "workrs: 3\n", "unknown key"},
	} {
		if s := r.reload(x.text); !strings.Contains(s.Error, x.says) {
			t.Errorf("the error is %q, want %q", s.Error, x.says)
		}
		if got := testutil.ToFloat64(r.program.reloader.metrics.successful); got != 0 {
			t.Errorf("%s: the metric is %v", x.says, got)
		}
		if r.program.current() != engine {
			t.Errorf("%s: another engine works", x.says)
		}
	}
	if got := outcome(good, 2); got != none {
		t.Errorf("the good file again: %s", got)
	}
}

// hangs is a sink whose writes last until it is told, whatever their contexts say.
type hangs struct {
	once         sync.Once
	begun, until chan struct{}
}

func (h *hangs) Write(context.Context, []*pipeline.Change) error {
	h.once.Do(func() { close(h.begun) })
	<-h.until
	return nil
}

// testChangeOfWhatHangs: nothing else may write for a sink whose writer has not ended, so
// that the program ends. While it drains, it changes nothing.
func testChangeOfWhatHangs(t *testing.T, env *testenv.Env) {
	o := newObjects(t, env.Cluster("beta"), "hangs")
	o.create("a")
	for _, asked := range []bool{false, true} {
		h := &hangs{begun: make(chan struct{}), until: make(chan struct{})}
		kinds := Options{Sinks: sinks.Kinds{testKind("hangs", func(string) (pipeline.Sink, error) { return h, nil })}}
		path := writeConfig(t, "watches: ['configmaps?namespace=hangs']\nroutes: ['hangs:']\ndrainTimeout: 10ms\n")
		s := parseWith(t, kinds, "--config="+path, "--clusters=kubeconfig:"+writeKubeconfig(t, env.Cluster("beta")))
		p := must(newProgram(t.Context(), s, t.Output(), newLogger(outputOf(t), "info", "text"), prometheus.NewRegistry()))(t)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- p.run(ctx) }()
		<-h.begun
		text := []byte(configHeader + "watches: ['configmaps?namespace=hangs']\nroutes: ['hangs:']\nworkers: 3\n")
		other := must(loadText(s.given, text, nil, kinds))(t)
		if asked {
			cancel()
			<-p.stopping
			if err := p.change(t.Context(), other); !errors.Is(err, errStopping) {
				t.Errorf("a change during the drain: %v", err)
			}
		} else if err := p.change(t.Context(), other); err == nil || !strings.Contains(err.Error(), "do not stop") {
			t.Errorf("the change: %v", err)
		}
		if err := <-ended; (err == nil) != asked {
			t.Errorf("asked to end: %v; the program ended with %v", asked, err)
		}
		close(h.until)
		cancel()
	}
}
