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
	events []pipeline.Event
	failed error
}

func (f *fussy) Write(_ context.Context, batch []*pipeline.Change) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	refused := map[int]error{}
	for i, c := range batch {
		if strings.HasPrefix(c.Key.Name, "bad") && !f.mended {
			refused[i] = pipeline.Permanent(errors.New("no such column"))
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

func (f *fussy) mend(mended bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mended = mended
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
