package app

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
)

// opened is a sink that tells when it is closed.
type opened struct {
	pipeline.Sink
	close func()
}

func (o opened) Close() error { o.close(); return nil }

// openings counts how often what is open, by what stands behind the scheme.
type openings struct {
	open, all map[string]int
	fails     map[string]error
}

func (o *openings) kind() sinks.Kind {
	o.open, o.all, o.fails = map[string]int{}, map[string]int{}, map[string]error{}
	return testKind("counted", func(rest string) (pipeline.Sink, error) {
		o.all[rest]++
		if err := o.fails[rest]; err != nil {
			return nil, err
		}
		o.open[rest]++
		return opened{refusesTerms{}, func() { o.open[rest]-- }}, nil
	})
}

// startChanging runs a program whose configuration file changes.
func startChanging(t *testing.T, o Options, text string, flags ...string) *changing {
	t.Helper()
	path := writeConfig(t, text)
	early := make(chan os.Signal, 1) // before the program listens
	signal.Notify(early, syscall.SIGHUP)
	t.Cleanup(func() { signal.Stop(early) })
	s := parseWith(t, o, append(flags, "--config="+path, "--clusters=dir:"+t.TempDir())...)
	s.configPoll = 10 * time.Millisecond
	return &changing{startSettings(t, s, newRecorder()), path}
}

// A sink that stays is not opened again, also if its rules change; one whose parameters
// change is closed first. If that then cannot be opened, the settings of before come back.
func TestDestinationsStayOpen(t *testing.T) {
	var o openings
	r := startChanging(t, Options{Sinks: sinks.Kinds{o.kind()}}, "watches: [pods]\nroutes: ['counted:a', 'counted:b?name=b']\n")
	r.await("it runs", r.program.isStarted)
	for _, x := range []struct {
		routes, fails, says string
		open, all           map[string]int
	}{
		{"'counted:a?where=pods: false', 'counted:b?name=b'", "", "", map[string]int{"a": 1, "b": 1}, map[string]int{"a": 1, "b": 1}},
		{"'counted:b?name=b', 'counted:c'", "", "", map[string]int{"a": 0, "b": 1, "c": 1}, map[string]int{"a": 1, "b": 1, "c": 1}},
		{"'counted:d', 'counted:b?name=b'", "d", "--sink counted:d: broken", map[string]int{"a": 0, "b": 1, "c": 1}, nil},
		{"'counted:other?name=b', 'counted:c'", "other", "in effect again: --sink b: broken", map[string]int{"a": 0, "b": 1, "c": 1}, map[string]int{"a": 1, "b": 2, "c": 1, "other": 1}},
		{"'counted:other?name=b'", "", "", map[string]int{"a": 0, "b": 0, "c": 0, "other": 1}, map[string]int{"a": 1, "b": 2, "c": 1, "other": 2}},
	} {
		clear(o.fails)
		if x.fails != "" {
			o.fails[x.fails] = errors.New("broken")
		}
		s := r.reload("watches: [pods]\nroutes: [" + x.routes + "]\n")
		if x.says == "" && s.Error != "" || !strings.Contains(s.Error, x.says) {
			t.Errorf("%s: the error is %q, want %q", x.routes, s.Error, x.says)
		}
		if x.all != nil { // else it is tried again
			delete(o.all, "d")
			if diff := cmp.Diff(x.all, o.all); diff != "" {
				t.Errorf("%s: opened (-want +got):\n%s", x.routes, diff)
			}
		}
		if diff := cmp.Diff(x.open, o.open); diff != "" {
			t.Errorf("%s: open (-want +got):\n%s", x.routes, diff)
		}
	}
	if problems, err := testutil.GatherAndLint(r.registry); err != nil {
		t.Errorf("metrics: %v, %v", err, problems)
	}
	r.end()
	if n := o.open["other"]; n != 0 {
		t.Errorf("the last one is open %d times after the end", n)
	}
}

// A change that is asked for while another one is under way comes after it. Those that come
// after the end change nothing.
func TestChangesComeOneAfterTheOther(t *testing.T) {
	r := startChanging(t, Options{}, "watches: [pods]\nroutes: ['stdout:']\n")
	r.await("it runs", r.program.isStarted)
	load := func(watches ...string) *settings {
		text := configHeader + "routes: ['stdout:']\nwatches: [" + strings.Join(watches, ", ") + "]\n"
		return must(loadText(r.program.settings.given, []byte(text), nil, r.program.settings.options))(t)
	}
	var g errgroup.Group
	watches := []string{"pods"}
	for i := range 8 {
		watches = append(watches, fmt.Sprintf("r%d", i))
		s := load(watches...)
		g.Go(func() error { return r.program.change(t.Context(), s) })
	}
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
	last := load("nodes")
	if err := r.program.change(t.Context(), last); err != nil || r.program.current().settings != last {
		t.Errorf("the last change: %v; the engine has %v", err, r.program.current().settings.Watches)
	}
	if _, err := r.registry.Gather(); err != nil {
		t.Errorf("metrics: %v", err)
	}
	if err := r.program.checkStarted(nil); err != nil {
		t.Errorf("/readyz: %v", err)
	}
	r.end()
	if err := r.program.change(t.Context(), load("pods")); !errors.Is(err, errStopping) {
		t.Errorf("after the end: %v", err)
	}
}

// A follower keeps new settings for when it leads.
func TestAFollowerKeepsChanges(t *testing.T) {
	record, _ := withLock(t)
	other := record.Lock("other")
	now := time.Now()
	held := resourcelock.LeaderElectionRecord{HolderIdentity: "other", LeaseDurationSeconds: 3600}
	held.AcquireTime.Time, held.RenewTime.Time = now, now
	if err := other.Create(t.Context(), held); err != nil {
		t.Fatal(err)
	}
	events := filepath.Join(t.TempDir(), "events")
	r := startChanging(t, Options{}, "watches: [pods]\nroutes: ['stdout:']\n", "--leader-elect", "--leader-elect-lock=memory:", "--leader-election-retry-period=10ms")
	if s := r.reload("watches: [pods, nodes]\nroutes: ['stdout:', 'file:" + events + "']\nmetricsBindAddress: ':1'\n"); s.Error != "" {
		t.Error(s.Error)
	}
	if r.program.current() != nil {
		t.Error("a follower has an engine")
	}
	if matches := must(filepath.Glob(events))(t); len(matches) > 0 {
		t.Error("a follower has opened a sink")
	}
	released := held
	released.HolderIdentity, released.LeaseDurationSeconds = "", 1
	if _, _, err := other.Get(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := other.Update(t.Context(), released); err != nil {
		t.Fatal(err)
	}
	r.await("it leads", r.program.isStarted)
	var names []string
	for _, route := range r.program.current().routes {
		names = append(names, route.name)
	}
	if s := r.program.current().settings; len(s.specs) != 2 || !slices.Equal(names, []string{"stdout:", "file:" + events}) {
		t.Errorf("it leads with %v and %v", s.Watches, names)
	}
	if s := r.reload("watches: [pods]\n"); s.Error != "" || len(r.program.current().settings.specs) != 1 {
		t.Errorf("as a leader it changes to %v: %v", r.program.current().settings.Watches, s.Error)
	}
}

// Each flag that needs a restart is one.
func TestStartFlagsAreFlags(t *testing.T) {
	_, flags, err := fromFlags(nil, new(Options))
	if err != nil {
		t.Fatal(err)
	}
	for _, flag := range slices.Concat(startFlags, liveFlags) {
		if flags.Lookup(flag) == nil {
			t.Errorf("there is no flag --%s", flag)
		}
	}
	for _, flag := range liveFlags {
		if slices.Contains(startFlags, flag) {
			t.Errorf("--%s changes at once, and needs a restart", flag)
		}
	}
}

// What needs a restart stays as it was, and all else changes. A key that comes back to what
// it was needs none any more.
func TestAFileThatNeedsARestart(t *testing.T) {
	r := startChanging(t, Options{}, "watches: [pods]\nledgerRetention: 2h\n")
	r.await("it runs", r.program.isStarted)
	s := r.reload("watches: [pods, nodes]\nledgerRetention: 3h\nlogFormat: json\nclusters: ['dir:/x']\n")
	if diff := cmp.Diff([]string{"ledger-retention", "log-format"}, s.NeedsRestart); diff != "" || s.Error != "" {
		t.Errorf("needs a restart (-want +got):\n%s%s", diff, s.Error)
	}
	now := r.program.current().settings
	if now.LedgerRetention != 2*time.Hour || len(now.specs) != 2 {
		t.Errorf("the engine has retention %v, and watches %v", now.LedgerRetention, now.Watches)
	}
	if s := r.reload("watches: [pods]\nledgerRetention: 2h\n"); len(s.NeedsRestart) > 0 {
		t.Errorf("as at the start, and %v need a restart", s.NeedsRestart)
	}
}
