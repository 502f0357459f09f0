package app

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// fileEvents returns the events that a file sink has written.
func fileEvents(t *testing.T, path string) (all []pipeline.Event) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if e, err := pipeline.ParseEvent([]byte(line)); err == nil && e.Name != "kube-root-ca.crt" { // else it is being written
			all = append(all, e)
		}
	}
	return all
}

// steer runs a command against the program's admin address.
func (r *running) steer(args ...string) string {
	r.t.Helper()
	out, err := command(r.t, append(args, "--admin=http://"+r.program.adminAddress.String())...)
	if err != nil {
		r.t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return out
}

// testPauseAndKill pauses a cluster, kills the program, and starts it again: it is paused
// all the while, and then each change is delivered, once. The other cluster goes on.
func testPauseAndKill(t *testing.T, env *testenv.Env) {
	const ns = "pause-kill"
	a, b := newObjects(t, env.Cluster("alpha"), ns), newObjects(t, env.Cluster("beta"), ns)
	a.create("before")
	dir := t.TempDir()
	out := filepath.Join(dir, "out")
	admin := freeAddress(t)
	begin := func() *child {
		return startChild(t, "--leader-elect=false", "--advertise-address=", "--admin-bind-address="+admin, "--ledger="+filepath.Join(dir, "ledger"),
			"--clusters=kubeconfig:"+writeKubeconfig(t, env.Cluster("alpha"), env.Cluster("beta")), "--watch=configmaps?namespace="+ns, "--sink=file:"+out)
	}
	arrived := func(cluster, name string) func() bool {
		return func() bool {
			for _, e := range fileEvents(t, out) {
				if e.Cluster == cluster && e.Name == name {
					return true
				}
			}
			return false
		}
	}
	ofAlpha := func() (n int) {
		for _, e := range fileEvents(t, out) {
			if e.Cluster == "alpha" && e.Name != "before" {
				n++
			}
		}
		return n
	}
	waiting := func(c *child) (n int) {
		_, body := c.get("/clusters")
		var s api.Status
		if json.Unmarshal([]byte(body), &s) == nil && len(s.Clusters) > 0 { // else it begins
			n = s.Clusters[0].Lane.Live + s.Clusters[0].Lane.Snapshot
		}
		return n
	}
	c := begin()
	c.await("the first object arrives", arrived("alpha", "before"))
	if said, err := command(t, "pause", "alpha", "--for=2h", "--reason=etcd is being moved", "--admin=http://"+admin); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	for i := range 10 {
		a.create(fmt.Sprintf("first-%d", i))
	}
	b.create("other-1")
	c.await("the other cluster goes on", arrived("beta", "other-1"))
	c.await("the changes wait", func() bool { return waiting(c) >= 10 })
	c.signal(syscall.SIGKILL)
	c.awaitExit()

	c = begin()
	for i := range 10 {
		a.create(fmt.Sprintf("second-%d", i))
	}
	b.create("other-2")
	c.await("the other cluster goes on", arrived("beta", "other-2"))
	c.await("the changes wait", func() bool { return waiting(c) >= 20 })
	if _, body := c.get("/clusters"); !strings.Contains(body, `"reason": "etcd is being moved"`) {
		t.Errorf("/clusters says\n%s", body)
	}
	if n := ofAlpha(); n != 0 {
		t.Errorf("%d changes were delivered while the cluster was paused", n)
	}
	if said, err := command(t, "resume", "alpha", "--admin=http://"+admin); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	c.await("all arrives", func() bool { return ofAlpha() >= 20 })
	c.signal(syscall.SIGTERM)
	if code := c.awaitExit(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	seen := map[string]int{}
	for _, e := range fileEvents(t, out) {
		if e.Cluster == "alpha" && e.Name != "before" {
			seen[e.ID]++
		}
	}
	for id, n := range seen {
		if n > 1 {
			t.Errorf("%s was delivered %d times", id, n)
		}
	}
	if len(seen) != 20 {
		t.Errorf("%d changes, want 20", len(seen))
	}
}

// testPausedRoute pauses one of two routes: the other one has everything, and the paused one
// later, once. The settings change meanwhile, which ends no pause.
func testPausedRoute(t *testing.T, env *testenv.Env) {
	const ns = "pause-route"
	o := newObjects(t, env.Cluster("alpha"), ns)
	o.create("before")
	out := filepath.Join(t.TempDir(), "out")
	file := "file:" + out
	watch := fmt.Sprintf("routes:\n- 'stdout:'\n- '%s'\nwatches:\n- {resource: configmaps, namespace: %s}\n", file, ns)
	path := writeConfig(t, watch)
	r := &changing{start(t, "--config="+path, "--admin-bind-address=127.0.0.1:0", "--lane-capacity=4",
		"--clusters=kubeconfig:"+writeKubeconfig(t, env.Cluster("alpha"))), path}
	r.awaitSame(o)
	r.await("both have the first", func() bool { return len(fileEvents(t, out)) == 1 })
	name := ""
	for _, one := range r.program.current().routes {
		if strings.Contains(one.name, out) {
			name = one.name
		}
	}
	r.steer("pause", "--route", name, "--reason=a test")
	for i := range 20 { // five lanes full
		o.create(fmt.Sprintf("o-%d", i))
	}
	r.awaitSame(o)
	before := r.program.current()
	if s := r.reload(watch + "- {resource: secrets, namespace: " + ns + "}\n"); s.Error != "" {
		t.Fatalf("the file: %+v", s)
	}
	if r.program.current() == before {
		t.Error("the engine is the same")
	}
	if got := names(r.program.orders.paused()); len(got) != 1 || got[0] != "route "+name {
		t.Errorf("paused: %q", got)
	}
	o.create("after")
	r.awaitSame(o)
	if n := len(fileEvents(t, out)); n != 1 {
		t.Errorf("%d events came to the paused route", n-1)
	}
	r.steer("resume", "--route", name)
	r.await("the route has all", func() bool { return len(fileEvents(t, out)) >= 22 })
	seen := map[string]bool{}
	for _, e := range fileEvents(t, out) {
		if seen[e.Name] {
			t.Errorf("%s came twice", e.Name)
		}
		seen[e.Name] = true
	}
}

// testPausedStream pauses one of two streams of a cluster, in both modes: the other one goes
// on, although the lane was full of what is paused.
func testPausedStream(t *testing.T, env *testenv.Env) {
	const ns = "pause-stream"
	o := newObjects(t, env.Cluster("alpha"), ns)
	r := start(t, "--clusters=kubeconfig:"+writeKubeconfig(t, env.Cluster("alpha")), "--admin-bind-address=127.0.0.1:0",
		"--watch=configmaps?namespace="+ns, "--watch=namespaces", "--lane-capacity=4")
	has := func(resource, name string) bool {
		for _, e := range r.out.received() {
			if e.Resource().Resource == resource && e.Name == name {
				return true
			}
		}
		return false
	}
	r.await("all is live", func() bool { return r.streamsLive("alpha") })
	for i, mode := range []string{api.PauseHold, api.PauseStop} {
		r.out.stall()
		for k := range 10 {
			o.create(fmt.Sprintf("%s-%d", mode, k))
		}
		r.await("the lane is full", func() bool { return r.cluster("alpha").Lane.BlockedOffers > 0 })
		r.steer("pause", "--stream=alpha/configmaps", "--mode="+mode)
		r.out.release()
		name := fmt.Sprintf("%s-%d", ns, i)
		newObjects(t, env.Cluster("alpha"), name) // a namespace
		r.await("the other stream goes on", func() bool { return has("namespaces", name) })
		if has("configmaps", fmt.Sprintf("%s-9", mode)) {
			t.Errorf("mode %s: the last change was delivered", mode)
		}
		r.steer("resume", "--stream=alpha/configmaps")
		r.awaitSame(o)
	}
	r.await("all is live", func() bool { return r.streamsLive("alpha") })
	r.steer("pause", "--stream=alpha/configmaps", "--mode=stop")
	r.await("the stream has no watch", func() bool { return r.cluster("alpha").Streams[0].State == "paused" })
	r.steer("pause", "alpha", "--mode=stop")
	r.await("the cluster has no connection", func() bool { return r.cluster("alpha").State == "paused" })
	o.create("meanwhile")
	before := snapshots(r, "alpha")
	r.steer("resume", "alpha")
	r.steer("resume", "--stream=alpha/configmaps")
	r.awaitSame(o)
	if n := snapshots(r, "alpha") - before; n != 0 {
		t.Errorf("%d snapshots, although the watches could be resumed", n)
	}
}

// testOrderedLimits gives a cluster another burst, and no more tokens for minutes: so many of
// its changes are delivered, and the rest when it has the declared limits again.
func testOrderedLimits(t *testing.T, env *testenv.Env) {
	const ns = "ordered-limits"
	o := newObjects(t, env.Cluster("alpha"), ns)
	r := start(t, "--clusters=kubeconfig:"+writeKubeconfig(t, env.Cluster("alpha")), "--admin-bind-address=127.0.0.1:0", "--watch=configmaps?namespace="+ns)
	r.await("all is live", func() bool { return r.streamsLive("alpha") })
	r.steer("limits", "alpha", "--qps=0.001", "--burst=3", "--reason=a test")
	before := r.cluster("alpha").Counts.HandedOut
	for i := range 10 {
		o.create(fmt.Sprintf("o-%d", i))
	}
	r.await("all are read, and what has a token is handed out", func() bool {
		c := r.cluster("alpha")
		return uint64(c.Lane.Live)+c.Counts.HandedOut-before == 10 && c.Counts.HandedOut-before >= 3
	})
	if n := r.cluster("alpha").Counts.HandedOut - before; n != 3 {
		t.Errorf("%d changes were handed out, want 3", n)
	}
	if said := r.steer("limits", "alpha"); !strings.Contains(said, "a test") || !strings.Contains(said, "0.001") {
		t.Errorf("limits says\n%s", said)
	}
	r.steer("limits", "alpha", "--reset")
	r.awaitSame(o)
}

// testLimitsOfStreamsAndRoutes limits one resource of a cluster, and then its sink, to three
// changes: explain and limits say whose limit the rest waits for, another resource does not wait
// for that of a stream, and all is delivered when there is none.
func testLimitsOfStreamsAndRoutes(t *testing.T, env *testenv.Env) {
	for kind, reason := range map[string]string{"stream": "a noisy one", "route": "it is weak"} {
		ns := "limits-of-a-" + kind
		o := newObjects(t, env.Cluster("alpha"), ns)
		r := start(t, "--clusters=kubeconfig:"+writeKubeconfig(t, env.Cluster("alpha")), "--admin-bind-address=127.0.0.1:0",
			"--watch=configmaps?namespace="+ns, "--watch=namespaces?fieldSelector=metadata.name="+ns)
		r.await("all is live", func() bool { return r.streamsLive("alpha") })
		r.awaitSame(o)
		r.await("nothing waits", func() bool {
			c := r.cluster("alpha")
			return c.Counts.HandedOut > 0 && c.Lane.Live+c.Lane.Snapshot+c.Lane.InFlight == 0
		})
		of := "--stream=alpha/configmaps"
		if kind == "route" {
			of = "--route=" + r.program.current().routes[0].name
		}
		r.steer("limits", of, "--qps=0.001", "--burst=3", "--reason="+reason)
		before := r.cluster("alpha").Counts.HandedOut
		for i := range 10 {
			o.create(fmt.Sprintf("o-%d", i))
		}
		r.await("what has a token is handed out, and the rest waits", func() bool {
			c := r.cluster("alpha")
			limited := false
			for _, st := range c.Streams {
				limited = limited || !st.LimitedSince.IsZero()
			}
			return c.Counts.HandedOut-before >= 3 && (limited && c.Lane.Live == 0 || c.Lane.Live == 7)
		})
		if n := r.cluster("alpha").Counts.HandedOut - before; n != 3 {
			t.Errorf("%s: %d changes were handed out, want 3", kind, n)
		}
		r.explains("configmaps/o-9", ns, api.ReasonLimited, "by the limit of "+kind)
		r.explains("configmaps/o-9", ns, api.ReasonLimited, "("+reason+")")
		if kind == "stream" {
			_, err := o.spaces.Patch(t.Context(), ns, types.MergePatchType, []byte(`{"metadata":{"labels":{"passes":"by"}}}`), metav1.PatchOptions{})
			o.check(err)
			r.await("another resource of the cluster passes", func() bool { return r.cluster("alpha").Counts.HandedOut-before >= 4 })
		}
		if said := r.steer("limits"); !strings.Contains(said, reason) || !strings.Contains(said, kind) {
			t.Errorf("limits of everything says\n%s", said)
		}
		if said := r.steer("limits", of); !strings.Contains(said, reason) || !strings.Contains(said, "0.001") || strings.Contains(said, "weight") {
			t.Errorf("limits says\n%s", said)
		}
		r.steer("limits", of, "--reset")
		r.awaitSame(o)
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	}
}

// testReplayOfSome delivers objects with a label again, to one of two routes, and one by its
// name to both, and nothing else.
func testReplayOfSome(t *testing.T, env *testenv.Env) {
	const ns = "replay-some"
	o := newObjects(t, env.Cluster("alpha"), ns)
	for i := range 6 {
		name := fmt.Sprintf("o-%d", i)
		o.create(name)
		if i < 2 {
			_, err := o.client.Patch(t.Context(), name, types.MergePatchType, []byte(`{"metadata":{"labels":{"app":"web"}}}`), metav1.PatchOptions{})
			o.check(err)
		}
	}
	out := filepath.Join(t.TempDir(), "out")
	r := start(t, "--clusters=kubeconfig:"+writeKubeconfig(t, env.Cluster("alpha")), "--admin-bind-address=127.0.0.1:0",
		"--watch=configmaps?namespace="+ns, "--sink=stdout:", "--sink=file:"+out)
	r.awaitSame(o)
	r.await("all is delivered", func() bool {
		s := r.cluster("alpha").Streams
		return r.streamsLive("alpha") && len(s) == 1 && s[0].Unacked == 0
	})
	// again has the command replay, and returns which objects came again to each sink.
	again := func(wants int, args ...string) string {
		t.Helper()
		before, inFile := len(r.out.received()), len(fileEvents(t, out))
		began := snapshots(r, "alpha")
		said := r.steer(append([]string{"replay", "--cluster=alpha"}, args...)...)
		if !strings.Contains(said, fmt.Sprintf(" %d object", wants)) {
			t.Errorf("%v says %q", args, said)
		}
		if !slices.Contains(args, "--dry-run") {
			r.await("the snapshot is over", func() bool {
				s := r.cluster("alpha").Streams[0]
				return snapshots(r, "alpha") > began && r.streamsLive("alpha") && s.Unacked == 0
			})
		}
		var names [2][]string
		for _, e := range r.out.received()[before:] {
			names[0] = append(names[0], e.Name)
		}
		for _, e := range fileEvents(t, out)[inFile:] {
			names[1] = append(names[1], e.Name)
		}
		slices.Sort(names[0])
		slices.Sort(names[1])
		return fmt.Sprint(names)
	}
	name := ""
	for _, one := range r.program.current().routes {
		if strings.Contains(one.name, out) {
			name = one.name
		}
	}
	for _, test := range []struct {
		args  []string
		wants int
		again string
	}{
		{[]string{"-l", "app=web", "--dry-run"}, 2, "[[] []]"},
		{[]string{"-n", ns, "--dry-run"}, 6, "[[] []]"},
		{[]string{"-l", "app=web", "--route", name}, 2, "[[] [o-0 o-1]]"},
		{[]string{"--name", "o-5", "-n", ns}, 1, "[[o-5] [o-5]]"},
		{[]string{"--name", "o-1", "-l", "app=web"}, 1, "[[o-1] [o-1]]"},
	} {
		if got := again(test.wants, test.args...); got != test.again {
			t.Errorf("replay %q delivers %s again, want %s", test.args, got, test.again)
		}
	}
	if _, err := command(t, "replay", "--cluster=alpha", "-l", "app in", "--admin=http://"+r.program.adminAddress.String()); err == nil || !strings.Contains(err.Error(), "label selector") {
		t.Errorf("a selector that is none: %v", err)
	}
}
