package app

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
)

// fussy is a sink that refuses objects whose name begins with "bad" for good,
// until it is mended.
type fussy struct {
	mu     sync.Mutex
	mended bool
	rule   func(*pipeline.Change) error // instead of that, unless nil
	events []pipeline.Event
	failed error
}

func (f *fussy) Write(_ context.Context, batch []*pipeline.Change) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	refused := map[int]error{}
	for i, c := range batch {
		if err := f.answer(c); err != nil {
			refused[i] = err
			continue
		}
		e, err := pipeline.ParseEvent(c.AppendCloudEvent(nil))
		f.failed = errors.Join(f.failed, err)
		f.events = append(f.events, e)
	}
	if len(refused) > 0 {
		return &pipeline.BatchError{Failed: refused}
	}
	return nil
}

func (f *fussy) answer(c *pipeline.Change) error {
	switch {
	case f.rule != nil:
		return f.rule(c)
	case strings.HasPrefix(c.Key.Name, "bad") && !f.mended:
		return pipeline.Permanent(errors.New("no such column"))
	}
	return nil
}

func (f *fussy) mend(mended bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mended, f.rule = mended, nil
}

func (f *fussy) follow(rule func(*pipeline.Change) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rule = rule
}

// received returns the ids of the events about an object, in order.
func (f *fussy) received(name string) (ids []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range f.events {
		if e.Name == name {
			ids = append(ids, e.ID)
		}
	}
	return ids
}

// TestDeadLettersOnARealCluster lets a sink refuse objects, and sends them
// again once it is mended.
func TestDeadLettersOnARealCluster(t *testing.T) {
	env := testenv.Start(t, testenv.Spec{Name: "alpha"})
	const ns = "dead"
	o := newObjects(t, env.Cluster("alpha"), ns)
	dir := t.TempDir()
	path := filepath.Join(dir, "dead.jsonl")
	sink := &fussy{}
	options := Options{Sinks: sinks.Kinds{testKind("fussy", func(string) (pipeline.Sink, error) { return sink, nil })}}
	flags := []string{
		"--clusters=kubeconfig:" + writeKubeconfig(t, env.Cluster("alpha")), "--watch=configmaps?namespace=" + ns,
		"--sink=fussy:", "--dead-letter=" + path, "--ledger=" + filepath.Join(dir, "ledger"), "--admin-bind-address=127.0.0.1:0",
	}
	o.create("bad-1")
	r := startWith(t, options, newRecorder(), flags...)
	has := func(name string, times int) func() bool {
		return func() bool { return len(sink.received(name)) == times }
	}
	allAcked := func() bool {
		c := r.cluster("alpha")
		return r.streamsLive("alpha") && c.Streams[0].Unacked == 0
	}
	for _, name := range []string{"good-1", "bad-2", "bad-3", "good-2"} {
		o.create(name)
	}
	r.await("the others go on", func() bool { return has("good-1", 1)() && has("good-2", 1)() })
	r.await("nothing is held up", allAcked)
	for _, name := range []string{"bad-1", "bad-2", "bad-3"} {
		if out, err := command(t, "dead-letter", "list", "--dead-letter", path); err != nil || strings.Count(out, name) != 1 || !strings.Contains(out, "no such column") {
			t.Errorf("list, for %s: %v\n%s", name, err, out)
		}
	}

	// A restart resumes behind them.
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	r = startWith(t, options, newRecorder(), flags...)
	r.await("the stream is live again", func() bool { return r.streamsLive("alpha") })
	if n := snapshots(r, "alpha"); n != 0 {
		t.Errorf("%d snapshots after a restart: the resume point was held up", n)
	}
	admin := "--admin=http://" + r.program.adminAddress.String()
	retry := func(want string) {
		t.Helper()
		if out, err := command(t, "dead-letter", "retry", "--wait=1m", admin); err != nil || !strings.Contains(out, want) {
			t.Errorf("retry, want %q: %v\n%s", want, err, out)
		}
	}
	retry("3 dead letters: 0 delivered, 3 refused again, 0 superseded, 0 kept")
	o.delete("bad-2")
	o.patch("bad-3", "new")
	r.await("the deletion and the update are refused as well", func() bool {
		out, err := command(t, "dead-letter", "list", "--dead-letter", path)
		return err == nil && strings.Count(out, "bad-2") == 2 && strings.Count(out, "bad-3") == 2 && allAcked()
	})

	sink.mend(true)
	retry("5 dead letters: 3 delivered, 0 refused again, 2 superseded, 0 kept")
	got := [][]string{sink.received("bad-1"), sink.received("bad-2"), sink.received("bad-3")}
	if len(got[0]) != 1 || len(got[1]) != 1 || !strings.HasSuffix(got[1][0], "/deleted") || len(got[2]) != 1 {
		t.Errorf("the mended sink received %q", got)
	}
	if out, err := command(t, "dead-letter", "list", "--dead-letter", path); err != nil || out != "" {
		t.Errorf("what is left: %v\n%s", err, out)
	}
	if got, want := sink.received("bad-3")[0], o.list()["bad-3"]; !strings.HasSuffix(got, strings.Replace(want, " ", "/", 1)) {
		t.Errorf("bad-3 was delivered as %s, it is %s", got, want)
	}

	// While there is nowhere to write them to, they are held, not lost.
	sink.mend(false)
	remove(t, path)
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	o.create("bad-4")
	r.await("the sink fails", func() bool { return !r.program.status(time.Now()).Sinks[0].Healthy })
	if n := r.cluster("alpha").Streams[0].Unacked; n != 1 {
		t.Errorf("%d unacked: a change that was neither accepted nor kept is acked", n)
	}
	remove(t, path)
	r.await("it is kept after all", allAcked)
	if got := namesIn(t, path); got != "bad-4" {
		t.Errorf("the file holds %q", got)
	}

	// A replay sends everything again, what is in the file included.
	if out, err := command(t, "replay", "--cluster=alpha", "--resource=configmaps", admin); err != nil || !strings.Contains(out, "1 streams") {
		t.Errorf("replay: %v\n%s", err, out)
	}
	r.await("all is delivered again", func() bool {
		return has("good-1", 2)() && has("good-2", 2)() && strings.Contains(namesIn(t, path), "bad-4 ") && allAcked()
	})
	sink.mend(true)
	retry("delivered, 0 refused again")
	if !has("bad-4", 1)() {
		t.Errorf("delivered %v", sink.received("bad-4"))
	}
	if sink.failed != nil {
		t.Error(sink.failed)
	}
}

// TestADeletionWhoseNameIsTakenOnARealCluster has a sink refuse the deletion of an object, whose
// name another one takes. Who has a row for each UID is told of the deletion, and who has one for
// each name of what exists, behind it: also when the program ends between the two.
func TestADeletionWhoseNameIsTakenOnARealCluster(t *testing.T) {
	env := testenv.Start(t, testenv.Spec{Name: "alpha"})
	const ns = "taken"
	o := newObjects(t, env.Cluster("alpha"), ns)
	dir := t.TempDir()
	path := filepath.Join(dir, "dead.jsonl")
	sink := &fussy{}
	options := Options{Sinks: sinks.Kinds{testKind("fussy", func(string) (pipeline.Sink, error) { return sink, nil })}}
	flags := []string{
		"--clusters=kubeconfig:" + writeKubeconfig(t, env.Cluster("alpha")), "--watch=configmaps?namespace=" + ns,
		"--sink=fussy:", "--dead-letter=" + path, "--ledger=" + filepath.Join(dir, "ledger"), "--admin-bind-address=127.0.0.1:0",
	}
	r := startWith(t, options, newRecorder(), flags...)
	retry := func(want string) {
		t.Helper()
		out, err := command(t, "dead-letter", "retry", "--wait=1m", "--admin=http://"+r.program.adminAddress.String())
		if err != nil || !strings.Contains(out, want) {
			t.Errorf("retry, want %q: %v\n%s", want, err, out)
		}
	}
	letters := func(name string, times int) {
		t.Helper()
		r.await("so many dead letters", func() bool {
			c := r.cluster("alpha")
			return strings.Count(namesIn(t, path), name) == times && r.streamsLive("alpha") && c.Streams[0].Unacked == 0
		})
	}
	// ends waits until the sink has had the deletion of a UID, and then what exists.
	ends := func(name, gone string) {
		t.Helper()
		state := strings.Replace(o.list()[name], " ", "/", 1)
		r.await("the state comes behind the deletion", func() bool {
			ids := sink.received(name)
			n := len(ids)
			return n > 1 && strings.Contains(ids[n-2], "/"+gone+"/") && strings.Contains(ids[n-2], "/deleted") && strings.Contains(ids[n-1], "/"+state)
		})
	}
	uidOf := func(name string) string {
		uid, _, _ := strings.Cut(o.list()[name], " ")
		return uid
	}

	// All of the name is refused: what exists is sent before, and once more.
	o.create("bad-1")
	letters("bad-1", 1)
	gone := uidOf("bad-1")
	o.delete("bad-1")
	letters("bad-1", 2)
	o.create("bad-1")
	letters("bad-1", 3)
	sink.mend(true)
	retry("3 dead letters: 2 delivered, 0 refused again, 1 superseded, 0 kept")
	ends("bad-1", gone)

	// The deletion alone is refused. When it is accepted, the sink takes no states any more, and
	// the program ends.
	o.create("bad-2")
	r.await("it is delivered", func() bool { return len(sink.received("bad-2")) == 1 })
	gone = uidOf("bad-2")
	sink.mend(false)
	o.delete("bad-2")
	letters("bad-2", 1)
	sink.mend(true)
	o.create("bad-2")
	r.await("what has its name is delivered", func() bool { return len(sink.received("bad-2")) == 2 })
	letters("bad-2", 1)
	sink.follow(func(c *pipeline.Change) error {
		if c.Key.Name == "bad-2" && c.Op != pipeline.Deleted {
			return errors.New("no states now")
		}
		return nil
	})
	retry("1 dead letters: 1 delivered, 0 refused again, 0 superseded, 0 kept")
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if ids := sink.received("bad-2"); len(ids) != 3 || !strings.Contains(ids[2], "/deleted") {
		t.Errorf("the sink has received %q", ids)
	}
	sink.mend(true)
	r = startWith(t, options, newRecorder(), flags...)
	ends("bad-2", gone)
	if sink.failed != nil {
		t.Error(sink.failed)
	}
}
