package app

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/ratelimit"
	"github.com/fairlead-dev/fairlead/sinks"
	"github.com/fairlead-dev/fairlead/sinks/file"
)

// quietSink is a sink of which calls can be made to hang.
type quietSink struct{ check, close func() }

func (*quietSink) Write(context.Context, []*pipeline.Change) error { return nil }

func (s *quietSink) Check(context.Context) error {
	if s.check != nil {
		s.check()
	}
	return nil
}

func (s *quietSink) Close() error {
	if s.close != nil {
		s.close()
	}
	return nil
}

// quietKind is a kind of sinks that all are one.
func quietKind(name string, s *quietSink) sinks.Kind {
	return testKind(name, func(string) (pipeline.Sink, error) { return s, nil })
}

// working is a program at work, without servers and election.
type working struct {
	*program
	stop, endTerm func()
	done          chan struct{} // closed when work has returned
	ended         bool          // what it returned
	err           error
}

func work(t *testing.T, s *settings) *working {
	t.Helper()
	w := &working{done: make(chan struct{})}
	w.program = must(newProgram(t.Context(), s, t.Output(), newLeveledLogger(outputOf(t), s.level, "text"), prometheus.NewRegistry()))(t)
	var ctx, term context.Context
	ctx, w.stop = context.WithCancel(context.Background())
	term, w.endTerm = context.WithCancel(context.Background())
	go func() {
		defer close(w.done)
		w.ended, w.err = w.work(ctx, term)
	}()
	<-w.started
	t.Cleanup(func() {
		w.stop()
		<-w.done
		w.endTerm()
	})
	return w
}

// comesAbout fails the test if something does not come about.
func comesAbout(t *testing.T, what string, done <-chan struct{}) {
	t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		t.Fatal("does not come about: " + what)
	}
}

// await waits until ok holds.
func (w *working) await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	(&running{t: t, program: w.program}).await(what, ok)
}

// A sink that is taken out and hangs when it is closed does not hold up the others, nor the end.
func TestChangeWhileASinkDoesNotClose(t *testing.T) {
	hang := make(chan struct{})
	o := Options{Sinks: sinks.Kinds{quietKind("good", new(quietSink)), quietKind("hangs", &quietSink{close: func() { <-hang }})}}
	flags := []string{"--watch=pods", "--clusters=dir:" + t.TempDir(), "--sink=good:"}
	w := work(t, parseWith(t, o, append(flags, "--sink=hangs:")...))
	before, other := w.current(), parseWith(t, o, flags...)
	changed := make(chan error, 1)
	go func() { changed <- w.change(t.Context(), other) }()
	w.await(t, "the next engine runs", func() bool { return w.current() != before && w.changing.Load() == nil })
	w.stop()
	comesAbout(t, "the end", w.done)
	if err := <-changed; err != nil || w.err != nil || w.ended {
		t.Errorf("the change: %v; the program: %v, all has ended: %v", err, w.err, w.ended)
	}
	close(hang)
	w.handing.Wait()
}

// While a sink opens, whatever it does, the program ends when it is to. What is opened later is
// closed.
func TestChangeWhileASinkDoesNotOpen(t *testing.T) {
	for _, how := range []string{"asked", "term"} {
		opening, release := make(chan struct{}), make(chan struct{})
		var closed atomic.Int64
		o := Options{Sinks: sinks.Kinds{
			quietKind("good", &quietSink{}), quietKind("new", &quietSink{close: func() { closed.Add(1) }}),
			testKind("hangs", func(string) (pipeline.Sink, error) {
				close(opening)
				<-release
				return &quietSink{close: func() { closed.Add(1) }}, nil
			}),
		}}
		flags := []string{"--watch=pods", "--clusters=dir:" + t.TempDir(), "--sink=good:"}
		w := work(t, parseWith(t, o, flags...))
		other, changed := parseWith(t, o, append(flags, "--sink=new:", "--sink=hangs:")...), make(chan error, 1)
		go func() { changed <- w.change(t.Context(), other) }()
		<-opening
		map[string]func(){"asked": w.stop, "term": w.endTerm}[how]()
		comesAbout(t, "the end", w.done)
		if err := <-changed; err == nil || (w.err == nil) != (how == "asked") || w.ended {
			t.Errorf("%s: the change: %v; the program: %v, all has ended: %v", how, err, w.err, w.ended)
		}
		close(release)
		w.handing.Wait()
		if n := closed.Load(); n != 2 {
			t.Errorf("%s: of two sinks that were opened in vain %d are closed", how, n)
		}
	}
}

// A check of a sink that hangs is nothing that settings wait for.
func TestChangeWhileASinkIsChecked(t *testing.T) {
	hang := make(chan struct{})
	var checks atomic.Int64
	o := Options{Sinks: sinks.Kinds{quietKind("hangs", &quietSink{check: func() { checks.Add(1); <-hang }})}}
	flags := []string{"--watch=pods", "--clusters=dir:" + t.TempDir(), "--sink=hangs:"}
	w := work(t, parseWith(t, o, flags...))
	w.await(t, "the check begins", func() bool { return checks.Load() > 0 })
	for _, more := range []string{"--workers=3", "--workers=4"} {
		s := parseWith(t, o, append(flags, more)...)
		if err := w.change(t.Context(), s); err != nil || w.current().settings != s {
			t.Errorf("%s: %v", more, err)
		}
	}
	if n := checks.Load(); n != 1 {
		t.Errorf("%d checks are under way at once", n)
	}
	close(hang)
	w.await(t, "the check of the last settings", func() bool { return checks.Load() == 2 })
	w.stop()
	comesAbout(t, "the end", w.done)
	if w.err != nil || !w.ended {
		t.Errorf("the program: %v, all has ended: %v", w.err, w.ended)
	}
}

// Sources that hang, because of one member, end nothing; but the next change waits for them. A
// part that may write and hangs is fatal.
func TestChangeWhileAPartDoesNotStop(t *testing.T) {
	o := Options{Sinks: sinks.Kinds{quietKind("good", new(quietSink))}}
	flags := []string{"--watch=pods", "--clusters=dir:" + t.TempDir(), "--sink=good:"}
	s := parseWith(t, o, flags...)
	p := must(newProgram(t.Context(), s, t.Output(), newLeveledLogger(outputOf(t), s.level, "text"), prometheus.NewRegistry()))(t)
	defer p.close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ps, free := p.newParts(ctx)
	defer free()
	e := p.current()
	e.start(p, ps)
	hang := make(chan struct{})
	var hanging sync.WaitGroup
	// hangs has a part of the engine hang, beside what it does.
	hangs := func(what string, stop *func()) {
		stopIt := *stop
		hanging.Add(1)
		stopHung := ps.start(what, func(context.Context) error {
			defer hanging.Done()
			<-hang
			return nil
		})
		*stop = func() { stopIt(); stopHung() }
	}
	hangs(partSources, &e.stopSources)
	first := p.replace(ctx, ps, e, parseWith(t, o, append(flags, "--workers=3")...))
	if first.err != nil || first.fatal != nil || first.engine == e || first.engine == nil {
		t.Fatalf("sources that hang: %+v", first)
	}
	if out := p.replace(ctx, ps, first.engine, parseWith(t, o, append(flags, "--workers=4")...)); out.engine != first.engine || out.err == nil {
		t.Errorf("while they do: %+v", out)
	}
	close(hang)
	hanging.Wait()
	p.await(t, "the part ends", func() bool { return len(ps.hung()) == 0 })
	hang = make(chan struct{})
	second := p.replace(ctx, ps, first.engine, parseWith(t, o, append(flags, "--workers=4")...))
	if second.err != nil || second.fatal != nil || second.engine == nil {
		t.Fatalf("after they have ended: %+v", second)
	}
	hangs("the sinks", &second.engine.stopSinks)
	last := p.replace(ctx, ps, second.engine, parseWith(t, o, append(flags, "--workers=5")...))
	if last.fatal == nil || !strings.Contains(last.fatal.Error(), "the sinks") || last.engine != nil {
		t.Errorf("sinks that hang: %+v", last)
	}
	close(hang)
	hanging.Wait()
}

// await waits until ok holds.
func (p *program) await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	(&running{t: t, program: p}).await(what, ok)
}

// Who asks the program to end during a change has what waits drain for as long as at any end.
func TestChangeDrainsForLongerOnceAskedToEnd(t *testing.T) {
	for _, x := range []struct{ asked, want time.Duration }{{time.Second, time.Minute}, {time.Hour, changeDrain}, {changeDrain + time.Second, changeDrain}} {
		synctest.Test(t, func(t *testing.T) {
			asked, cancel := context.WithTimeout(t.Context(), x.asked)
			defer cancel()
			began := time.Now()
			e := &engine{settings: &settings{Config: Config{DrainTimeout: time.Minute}}}
			draining, end := e.drain(asked, &parts{term: t.Context()}, changeDrain)
			defer end()
			<-draining.Done()
			if took := time.Since(began); took != x.want {
				t.Errorf("asked after %v, it drains for %v, want %v", x.asked, took, x.want)
			}
		})
	}
}

// The file of a sink is one file under any name.
func TestChangeOfASinksName(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x")
	flags := []string{"--watch=pods", "--clusters=dir:" + t.TempDir()}
	w := work(t, parseWith(t, Options{}, append(flags, "--sink=file:"+path)...))
	for _, to := range []string{"file:" + path + "?name=audit", "file:" + dir + "/./x", "file:" + path} {
		if err := w.change(t.Context(), parseWith(t, Options{}, append(flags, "--sink="+to)...)); err != nil {
			t.Errorf("%s: %v", to, err)
		}
	}
	// One that another writer has costs nothing.
	held := must(file.Open(filepath.Join(dir, "y")))(t)
	before := w.current()
	if err := w.change(t.Context(), parseWith(t, Options{}, append(flags, "--sink=file:"+path, "--sink=file:"+dir+"/y")...)); err == nil || w.current() != before {
		t.Errorf("a file that is in use: %v", err)
	}
	if err := held.Close(); err != nil {
		t.Error(err)
	}
}

// An engine begins with the limits of its settings; the one that comes back with those that were
// in effect.
func TestChangeBeginsWithItsLimits(t *testing.T) {
	var broken atomic.Bool
	var open atomic.Int64
	o := Options{Sinks: sinks.Kinds{testKind("one", func(string) (pipeline.Sink, error) {
		if open.Load() > 0 {
			return nil, sinks.ErrInUseHere
		}
		if broken.Swap(false) {
			return nil, errors.New("broken")
		}
		open.Add(1)
		return &quietSink{close: func() { open.Add(-1) }}, nil
	})}}
	flags := []string{"--watch=pods", "--clusters=dir:" + t.TempDir(), "--cluster-burst=9"}
	w := work(t, parseWith(t, o, append(flags, "--sink=one:", "--cluster-qps=5")...))
	limit := func() ratelimit.Limit { return w.current().routes[0].buckets.Limit("any") }
	if err := w.change(t.Context(), parseWith(t, o, append(flags, "--sink=one:", "--cluster-qps=6", "--workers=3")...)); err != nil || limit().QPS != 6 {
		t.Errorf("%v, limit %v", err, limit())
	}
	w.limiter.change(clusterLimits{limit: ratelimit.Limit{QPS: 7, Burst: 9}}) // as a file does that changes nothing else
	broken.Store(true)
	if err := w.change(t.Context(), parseWith(t, o, append(flags, "--sink=one:a?name=b", "--cluster-qps=8")...)); !errors.Is(err, errWentBack) || limit().QPS != 7 {
		t.Errorf("%v, limit %v", err, limit())
	}
}

// A file whose sinks cannot be opened is applied again more and more rarely.
func TestReloadIsTriedMoreAndMoreRarely(t *testing.T) {
	var tries atomic.Int64
	o := Options{Sinks: sinks.Kinds{quietKind("good", new(quietSink)), testKind("bad", func(string) (pipeline.Sink, error) {
		tries.Add(1)
		return nil, errors.New("cannot")
	})}}
	path := writeConfig(t, "watches: [pods]\nroutes: ['good:']\n")
	w := work(t, parseWith(t, o, "--clusters=dir:"+t.TempDir(), "--config="+path))
	writeFile(t, path, configHeader+"watches: [pods]\nroutes: ['good:', 'bad:']\n")
	var at []int
	for i := 1; i <= 50; i++ {
		before := tries.Load()
		if w.reloader.look(t.Context(), false); tries.Load() > before {
			at = append(at, i)
		}
	}
	if want := []int{2, 4, 7, 12, 21, 34, 47}; !slices.Equal(at, want) {
		t.Errorf("tried at looks %v, want %v", at, want)
	}
	writeFile(t, path, configHeader+"watches: [pods]\nroutes: ['good:']\n")
	for range 2 {
		w.reloader.look(t.Context(), false)
	}
	if s := w.reloader.status(); s.Error != "" {
		t.Errorf("as before: %s", s.Error)
	}
}

// A leader that waits for what another process has takes up the newest settings, which may end
// that. Those that cannot be used do not end it.
func TestReloadWhileALeaderWaits(t *testing.T) {
	withLock(t)
	o := Options{Sinks: sinks.Kinds{testKind("held", func(rest string) (pipeline.Sink, error) {
		switch rest {
		case "free":
			return new(quietSink), nil
		case "broken":
			return nil, errors.New("broken")
		}
		return nil, sinks.ErrInUse
	})}}
	r := startChanging(t, o, "watches: [pods]\nroutes: ['held:']\nclusterSnapshotQps: 5\n", "--leader-elect", "--leader-elect-lock=memory:", "--leader-election-retry-period=10ms")
	waits := func() bool { return r.program.waitsFor.Load() != nil }
	r.await("it waits", waits)
	if n := r.scrape().total("fairlead_leader", ""); n != 0 {
		t.Errorf("it delivers nothing, and fairlead_leader is %v", n)
	}
	if s := r.reload("watches: [pods]\nroutes: ['held:']\nclusterSnapshotQps: 6\n"); s.Error != "" || r.program.limiter.now().snapshot.QPS != 6 {
		t.Errorf("other limits: %+v, %v", s, r.program.limiter.now())
	}
	r.reload("watches: [pods]\nroutes: ['held:broken']\nclusterSnapshotQps: 7\n")
	r.await("the file is refused", func() bool {
		r.program.changes.mu.Lock()
		defer r.program.changes.mu.Unlock()
		return r.program.changes.refused != nil
	})
	r.reload("watches: [pod") // which has it say what was refused, and then what is wrong now
	r.await("both have been told", func() bool { return strings.Contains(r.program.reloader.status().Error, "line 2") })
	if qps := r.program.limiter.now().snapshot.QPS; qps != 6 {
		t.Errorf("after what could not be used the limit is %v", qps)
	}
	if r.program.isStarted() {
		t.Error("it delivers")
	}
	if s := r.reload("watches: [pods, nodes]\nroutes: ['held:free']\n"); s.Error != "" {
		t.Error(s.Error)
	}
	r.await("it runs", r.program.isStarted)
	if n := len(r.program.current().settings.specs); n != 2 {
		t.Errorf("it runs with %d watches", n)
	}
}

// While no engine runs, /clusters says since when.
func TestStatusWhileSettingsChange(t *testing.T) {
	path := writeConfig(t, "watches: [pods]\nroutes: ['good:']\n")
	w := work(t, parseWith(t, Options{Sinks: sinks.Kinds{quietKind("good", new(quietSink))}}, "--clusters=dir:"+t.TempDir(), "--config="+path))
	now := time.Now()
	for _, since := range []*time.Time{nil, &now} {
		w.changing.Store(since)
		if got := w.status(now).Config.ChangingSince; since == nil && !got.IsZero() || since != nil && got != now {
			t.Errorf("changing since %v, and it says %v", since, got)
		}
	}
	w.changing.Store(nil)
}
