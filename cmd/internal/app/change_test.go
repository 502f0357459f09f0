package app

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
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

// openings counts how often what is open, by what stands behind the scheme. One of those
// that begin with x can be open at a time.
type openings struct {
	mu        sync.Mutex
	open, all map[string]int
	fails     string
}

func (o *openings) kind() sinks.Kind {
	o.open, o.all = map[string]int{}, map[string]int{}
	return testKind("counted", func(rest string) (pipeline.Sink, error) {
		o.mu.Lock()
		defer o.mu.Unlock()
		for other, n := range o.open {
			if n > 0 && strings.HasPrefix(rest, "x") && strings.HasPrefix(other, "x") {
				return nil, fmt.Errorf("open %s: %w", rest, sinks.ErrInUseHere)
			}
		}
		o.all[rest]++
		if rest == o.fails {
			return nil, errors.New("broken")
		}
		o.open[rest]++
		return opened{refusesTerms{}, func() { o.count(rest, -1) }}, nil
	})
}

func (o *openings) count(rest string, by int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.open[rest] += by
}

// failing has one fail, and forgets what has been opened.
func (o *openings) failing(rest string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.fails = rest
	clear(o.all)
}

// is returns what is open, and what has been opened.
func (o *openings) is() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	open := maps.Clone(o.open)
	maps.DeleteFunc(open, func(_ string, n int) bool { return n == 0 })
	return fmt.Sprint(open, o.all)
}

// startChanging runs a program whose configuration file changes.
func startChanging(t *testing.T, o Options, text string, flags ...string) *changing {
	t.Helper()
	path := writeConfig(t, text)
	early := make(chan os.Signal, 1) // before the program listens
	signal.Notify(early, syscall.SIGHUP)
	t.Cleanup(func() { signal.Stop(early) })
	s := parseWith(t, o, append(flags, "--config="+path, "--clusters=dir:"+t.TempDir())...)
	s.configPoll = time.Hour // SIGHUP alone has it read
	return &changing{startSettings(t, s, newRecorder()), path}
}

// A sink that stays is not opened again, also if its rules change. One whose parameters
// change is closed after the next is open, or before it if both are one to the system. If
// that then cannot be opened, the settings of before come back.
func TestDestinationsStayOpen(t *testing.T) {
	var o openings
	r := startChanging(t, Options{Sinks: sinks.Kinds{o.kind()}}, "watches: [pods]\nroutes: ['counted:a', 'counted:b?name=b']\n")
	r.await("it runs", r.program.isStarted)
	for _, x := range []struct{ routes, fails, says, is string }{
		{"'counted:a?where=pods: false', 'counted:b?name=b'", "", "", "map[a:1 b:1] map[]"},
		{"'counted:b?name=b', 'counted:c'", "", "", "map[b:1 c:1] map[c:1]"},
		{"'counted:d', 'counted:e', 'counted:b?name=b'", "d", "--sink counted:d: broken", "map[b:1 c:1] map[d:1 e:1]"},
		{"'counted:other?name=b', 'counted:c'", "other", "--sink b: broken", "map[b:1 c:1] map[other:1]"},
		{"'counted:other?name=b', 'counted:x1'", "", "", "map[other:1 x1:1] map[other:1 x1:1]"},
		{"'counted:other?name=b', 'counted:x1?name=y'", "", "", "map[other:1 x1:1] map[x1:1]"},
		{"'counted:x2?name=y'", "x2", "in effect again: --sink y: broken", "map[other:1 x1:1] map[x1:1 x2:1]"},
		{"'counted:x1?name=y', 'counted:x2', 'counted:other?name=b'", "", "--sink counted:x2: open x2: in use by this process", "map[other:1 x1:1] map[]"},
		{"'counted:x2?name=y'", "", "", "map[x2:1] map[x2:1]"},
	} {
		o.failing(x.fails)
		s := r.reload("watches: [pods]\nroutes: [" + x.routes + "]\n")
		if x.says == "" && s.Error != "" || !strings.Contains(s.Error, x.says) {
			t.Errorf("%s: the error is %q, want %q", x.routes, s.Error, x.says)
		}
		if is := o.is(); is != x.is {
			t.Errorf("%s: open, and opened: %s, want %s", x.routes, is, x.is)
		}
		if problems, err := testutil.GatherAndLint(r.registry); err != nil {
			t.Errorf("metrics: %v, %v", err, problems)
		}
	}
	r.end()
	o.failing("")
	if is := o.is(); is != "map[] map[]" {
		t.Errorf("after the end, open is %s", is)
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
	r.await("it follows", func() bool { return r.program.election.Status().Leader == "other" }) // and listens to signals since before
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
