package app

import (
	"context"
	"errors"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/ratelimit"
	"github.com/fairlead-dev/fairlead/sinks"
)

// moody is a sink that refuses objects by the beginning of their names: "no" for now, "bad"
// for good. It may be down, or not answer.
type moody struct {
	mu      sync.Mutex
	down    error
	stalled chan struct{} // closed: it answers
}

func newMoody() *moody {
	m := &moody{stalled: make(chan struct{})}
	close(m.stalled)
	return m
}

func (m *moody) Write(ctx context.Context, batch []*pipeline.Change) error {
	m.mu.Lock()
	down, stalled := m.down, m.stalled
	m.mu.Unlock()
	select {
	case <-stalled:
	case <-ctx.Done():
		return ctx.Err()
	}
	if down != nil {
		return down
	}
	failed := map[int]error{}
	for i, c := range batch {
		switch {
		case strings.HasPrefix(c.Key.Name, "no"):
			failed[i] = errors.New("value too long")
		case strings.HasPrefix(c.Key.Name, "bad"):
			failed[i] = pipeline.Permanent(errors.New("no such column"))
		}
	}
	if len(failed) > 0 {
		return &pipeline.BatchError{Failed: failed}
	}
	return nil
}

func (m *moody) set(down error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.down = down
}

// stall has it answer nothing until the returned function is called.
func (m *moody) stall() (release func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	stalled := make(chan struct{})
	m.stalled = stalled
	return sync.OnceFunc(func() { close(stalled) })
}

// explains waits until the command says a reason, and something that a pattern matches.
func (r *running) explains(object, namespace string, want api.Reason, says string) {
	r.t.Helper()
	var out string
	text := regexp.MustCompile(says)
	defer func() { r.t.Log(out) }()
	r.await("explain of "+object+" says "+string(want)+", "+says, func() bool {
		args := []string{"explain", "alpha", object, "--admin=http://" + r.program.adminAddress.String()}
		if namespace != "" {
			args = append(args, "-n", namespace)
		}
		var err error
		if out, err = command(r.t, args...); err != nil {
			out += err.Error()
		}
		return strings.Contains(out, ": "+string(want)+": ") && text.MatchString(out)
	})
}

// TestExplainOnARealCluster injects faults, and wants each of them named.
func TestExplainOnARealCluster(t *testing.T) {
	env := testenv.Start(t, testenv.Spec{Name: "alpha"})
	const ns = "explain"
	o := newObjects(t, env.Cluster("alpha"), ns)
	proxy := newProxy(t, env.Cluster("alpha"))
	sink := newMoody()
	dir := t.TempDir()
	r := startWith(t, Options{Sinks: sinks.Kinds{testKind("moody", func(string) (pipeline.Sink, error) { return sink, nil })}}, newRecorder(),
		"--clusters=kubeconfig:"+writeKubeconfig(t, proxy), "--watch=configmaps?namespace="+ns, "--watch=secrets?labelSelector=app=x",
		"--where=configmaps: object.metadata.name != 'hidden'", "--changed=configmaps: data", "--sink=moody:",
		"--dead-letter="+filepath.Join(dir, "dead"), "--ledger="+filepath.Join(dir, "ledger"), "--admin-bind-address=127.0.0.1:0")
	r.await("the streams are live", func() bool { return r.streamsLive("alpha") })

	tail := startTail(t, r, "-o", "diff", "--where", "configmaps: !object.metadata.name.startsWith('no')")
	o.create("a")
	r.explains("configmaps/a", ns, api.ReasonDelivered, "as /v1/configmaps/")
	r.explains("cm/a", "", api.ReasonDelivered, "ago") // of the one namespace that is followed
	r.explains("configmaps/none", ns, api.ReasonNotThere, "no such object")
	r.explains("configmaps/a", "other", api.ReasonNotFollowed, "only the namespaces explain")
	r.explains("pods/a", ns, api.ReasonNotFollowed, "add --watch pods")
	r.explains("widgets/a", ns, api.ReasonNotFollowed, "does not serve")
	out, err := command(t, "explain", "omega", "pods/a", "-o", "json", "--admin=http://"+r.program.adminAddress.String())
	if err != nil || !strings.Contains(out, `"reason": "NotFollowed"`) || !strings.Contains(out, "alpha") {
		t.Errorf("another cluster: %v\n%s", err, out)
	}
	o.create("hidden")
	r.explains("configmaps/hidden", ns, api.ReasonFiltered, "object.metadata.name != 'hidden'")
	o.label("a", "x", "y")
	r.explains("configmaps/a", ns, api.ReasonUnchanged, "in no field that counts")
	o.create("no-1")
	r.explains("configmaps/no-1", ns, api.ReasonSinkRefusing, "for the [0-9]*(2nd|3rd|[4-9]th) time")
	r.explains("configmaps/no-1", ns, api.ReasonSinkRefusing, "value too long")
	o.create("bad-1")
	r.explains("configmaps/bad-1", ns, api.ReasonDeadLettered, "no such column")

	sink.set(errors.New("connection refused"))
	o.patch("a", "1")
	r.explains("configmaps/a", ns, api.ReasonSinkDown, "connection refused")
	sink.set(nil)
	r.explains("configmaps/a", ns, api.ReasonDelivered, "ago")

	release := sink.stall()
	defer release()
	o.patch("a", "2")
	r.explains("configmaps/a", ns, api.ReasonInFlight, "has been handed to the sink")
	release()
	r.explains("configmaps/a", ns, api.ReasonDelivered, "ago")

	q := r.program.current().routes[0].queue
	q.SetLimit("alpha", ratelimit.Limit{QPS: 0.001, Burst: 1})
	for _, name := range []string{"t1", "t2", "t3"} {
		o.create(name)
	}
	r.explains("configmaps/t3", ns, api.ReasonThrottled, "waits for a token")
	q.SetLimit("alpha", ratelimit.Limit{})
	r.explains("configmaps/t3", ns, api.ReasonDelivered, "ago")

	proxy.Cut()
	r.explains("configmaps/a", ns, api.ReasonStreamDown, "The cluster has not been live")
	restore(t, proxy)
	r.explains("configmaps/a", ns, api.ReasonDelivered, "version")

	r.await("the tail shows what has changed", func() bool {
		return strings.Contains(tail.text(), `.data.value: "1" -> "2"`)
	})
	if text := tail.text(); !strings.Contains(text, "(first seen)") || !strings.Contains(text, "bad-1") || strings.Contains(text, "no-1") {
		t.Errorf("the tail shows:\n%s", text)
	}
	if err := r.stop(); err != nil { // an open tail holds up nothing
		t.Error(err)
	}
	if err := <-tail.ended; err == nil || !strings.Contains(err.Error(), "ended the stream") {
		t.Errorf("the tail ends with the program, with %v", err)
	}

	r = start(t, "--clusters=kubeconfig:"+writeKubeconfig(t, proxy), "--watch=configmaps?namespace="+ns, "--max-objects=1", "--admin-bind-address=127.0.0.1:0")
	r.explains("configmaps/a", ns, api.ReasonDelivered, "as /v1/configmaps/")
	r.explains("configmaps/t3", ns, api.ReasonLedgerFull, "raise --max-objects")
}

// tailing is a tail that runs beside the test.
type tailing struct {
	mu    sync.Mutex
	out   strings.Builder
	ended chan error // holds one
}

func startTail(t *testing.T, r *running, args ...string) *tailing {
	t.Helper()
	tail := &tailing{ended: make(chan error, 1)}
	cmd := NewCommand(Options{})
	cmd.SetArgs(append([]string{"tail", "--admin=http://" + r.program.adminAddress.String()}, args...))
	cmd.SetOut(tail)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		tail.ended <- cmd.ExecuteContext(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	r.await("the tail has begun", func() bool { return strings.Contains(tail.text(), "OBJECT") })
	return tail
}

func (t *tailing) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.out.Write(p)
}

func (t *tailing) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.out.String()
}
