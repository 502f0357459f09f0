package app

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/internal/leaks"
	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/pipeline"
)

var clusters = []string{"alpha", "beta", "gamma"}

// TestOnRealClusters runs the program on three control planes that its
// subtests share, each in a namespace of its own.
func TestOnRealClusters(t *testing.T) {
	env := testenv.Start(t, testenv.Spec{Name: "alpha"}, testenv.Spec{Name: "beta"}, testenv.Spec{Name: "gamma"})
	for name, run := range map[string]func(*testing.T, *testenv.Env){
		"everything arrives":                    testEverythingArrives,
		"a member that is down delays nobody":   testMemberDownAtStart,
		"a member that is cut off recovers":     testCutMember,
		"a stalled sink stops the reading":      testStalledSink,
		"a sink that hangs holds up no other":   testHungSink,
		"a removed file leaves nothing behind":  testRemovedFile,
		"what waits is drained before the end":  testDrain,
		"a missing resource harms nothing else": testMissingResource,
		"a restart replays and misses nothing":  testRestart,
		"a new sink gets what there is":         testNewSink,
		"a sink gets what its rules say":        testRules,
		"what is not watched any more is gone":  testUnwatched,
		"a file that changes is applied":        testChanges,
		"a change waits for what hangs":         testChangeOfWhatHangs,
		"a plan says what comes":                testPlan,
		"events are what the schema says":       testEventsFollowTheSchema,
		"a pause outlives a kill":               testPauseAndKill,
		"a paused route harms no other":         testPausedRoute,
		"a paused stream harms no other":        testPausedStream,
		"limits change while it runs":           testOrderedLimits,
		"limits of streams and routes":          testLimitsOfStreamsAndRoutes,
		"some of a cluster is replayed":         testReplayOfSome,
		"buttons do what they say":              testButtonsOnAMember,
	} {
		t.Run(name, func(t *testing.T) { run(t, env) })
	}
}

func testEverythingArrives(t *testing.T, env *testenv.Env) {
	const ns, before, changed, after = "everything", 200, 100, 100
	members := map[string]*objects{}
	for _, name := range clusters {
		members[name] = newObjects(t, env.Cluster(name), ns)
	}
	each := func(work func(o *objects)) {
		var g errgroup.Group
		for _, o := range members {
			g.Go(func() error { work(o); return nil })
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	each(func(o *objects) {
		for i := range before {
			o.create(fmt.Sprintf("old-%d", i))
		}
	})
	r := start(t, "--clusters=kubeconfig:"+writeKubeconfig(t, env.Cluster("alpha"), env.Cluster("beta"), env.Cluster("gamma")),
		"--watch=configmaps?namespace="+ns, "--ledger="+filepath.Join(t.TempDir(), "ledger"))
	each(func(o *objects) {
		for i := range after {
			o.create(fmt.Sprintf("new-%d", i))
		}
		for round := range 5 {
			for i := range changed {
				o.patch(fmt.Sprintf("old-%d", i), fmt.Sprint(round))
			}
		}
		for i := range changed / 2 {
			o.delete(fmt.Sprintf("old-%d", i))
		}
		for i := range changed / 4 {
			o.create(fmt.Sprintf("old-%d", i))
		}
	})
	for _, o := range members {
		r.awaitSame(o)
	}
	if got := len(r.out.received()); got < 3*(before+after+changed/2) {
		t.Errorf("%d events: fewer than there are objects and deletions", got)
	}
	// What the API servers hold has been delivered: a metric says so too.
	families, err := r.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	types := map[string]string{}
	for _, f := range families {
		types[f.GetName()] = strings.ToLower(f.GetType().String())
	}
	for _, m := range documentedMetricsOf(t).all {
		if served := types[m.name]; served != m.kind && (served != "" || !rareMetrics[m.name]) {
			t.Errorf("docs/metrics.md has %s as a %s; served is %q", m.name, m.kind, served)
		}
	}
}

func testMemberDownAtStart(t *testing.T, env *testenv.Env) {
	const ns = "down"
	up, down := newObjects(t, env.Cluster("alpha"), ns), newObjects(t, env.Cluster("beta"), ns)
	up.create("here")
	down.create("there")
	proxy := newProxy(t, env.Cluster("beta"))
	proxy.Cut()

	r := start(t, "--clusters=kubeconfig:"+writeKubeconfig(t, env.Cluster("alpha"), proxy), "--watch=configmaps?namespace="+ns)
	r.awaitSame(up)
	if err := r.program.checkStarted(nil); err != nil {
		t.Errorf("a member that is down makes the program unready: %v", err)
	}
	r.await("the member that is down is backing off", func() bool {
		c := r.cluster("beta") // while it is dialled there is no next time
		return c.Attempt > 1 && c.State == "backing off" && c.LastError != "" && !c.NextRetry.IsZero()
	})
	restore(t, proxy)
	r.awaitSame(down)
	r.await("it is live", func() bool { return r.cluster("beta").State == "live" && r.streamsLive("beta") })
}

func testCutMember(t *testing.T, env *testenv.Env) {
	const ns = "cut"
	near, far := newObjects(t, env.Cluster("alpha"), ns), newObjects(t, env.Cluster("beta"), ns)
	proxy := newProxy(t, env.Cluster("beta"))
	for i := range 50 {
		far.create(fmt.Sprintf("o-%d", i))
	}
	r := start(t, "--clusters=kubeconfig:"+writeKubeconfig(t, env.Cluster("alpha"), proxy), "--watch=configmaps?namespace="+ns)
	r.awaitSame(far)

	proxy.Cut()
	r.await("the cut is noticed", func() bool { return r.cluster("beta").State == "backing off" })
	for i := range 20 {
		far.patch(fmt.Sprintf("o-%d", i), "changed in the cut")
	}
	for i := 20; i < 40; i++ {
		far.delete(fmt.Sprintf("o-%d", i))
	}
	near.create("meanwhile")
	r.awaitSame(near) // the others go on

	restore(t, proxy)
	r.awaitSame(far)
	lists := snapshots(r, "beta")
	if lists != 1 {
		t.Errorf("%d snapshots: the watch could be resumed", lists)
	}

	// The same with an etcd compacted meanwhile: the watch has expired, a
	// snapshot tells what is gone.
	proxy.Cut()
	r.await("the second cut is noticed", func() bool { return r.cluster("beta").State == "backing off" })
	for i := 40; i < 50; i++ {
		far.delete(fmt.Sprintf("o-%d", i))
	}
	far.create("o-45") // the same name, another UID
	if err := env.Cluster("beta").Restart(t.Context()); err != nil {
		t.Fatal(err) // empties the watch cache, which would serve what etcd has forgotten
	}
	if err := env.Cluster("beta").Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	restore(t, proxy)
	r.awaitSame(far)
	if lists := snapshots(r, "beta"); lists != 2 {
		t.Errorf("%d snapshots in all, want a second one after the compaction", lists)
	}
	tombstones := 0
	for _, e := range r.out.received() {
		if e.Cluster == "beta" && e.Tombstone {
			tombstones++
		}
	}
	if tombstones != 10 {
		t.Errorf("%d tombstones, want 10: nine objects gone and one re-created", tombstones)
	}
}

func testStalledSink(t *testing.T, env *testenv.Env) {
	// Without a bound, the lane would hold a hundred objects of 600 KB.
	const ns, size, laneBytes = "stalled", 600 << 10, 1 << 20
	o := newObjects(t, env.Cluster("gamma"), ns)
	r := start(t, "--clusters=kubeconfig:"+writeKubeconfig(t, env.Cluster("gamma")), "--watch=configmaps?namespace="+ns,
		fmt.Sprint("--lane-bytes=", laneBytes), "--workers=4")
	r.await("the stream is live", func() bool { return r.streamsLive("gamma") })
	read := func() uint64 { return r.cluster("gamma").Streams[0].Bytes }

	r.out.stall()
	before := heap()
	value := strings.Repeat("x", size)
	for i := range 100 {
		o.create(fmt.Sprintf("o-%d", i))
		o.patch(fmt.Sprintf("o-%d", i), value)
	}
	r.await("the stream is blocked", func() bool { return r.cluster("gamma").Lane.BlockedOffers == 1 })
	blockedAt := read()
	for i := range 100 {
		o.patch(fmt.Sprintf("o-%d", i), value+"again")
	}
	if now := read(); now != blockedAt {
		t.Errorf("%d bytes were read although the stream is blocked", now-blockedAt)
	}
	lane := r.cluster("gamma").Lane
	if lane.Bytes > laneBytes {
		t.Errorf("%d bytes wait in a lane of %d", lane.Bytes, laneBytes)
	}
	if grown := heap() - before; grown > laneBytes+16<<20 {
		t.Errorf("the heap has grown by %d bytes, more than the lane and 16 MiB", grown)
	}
	r.out.release()
	r.awaitSame(o)
}

func testRemovedFile(t *testing.T, env *testenv.Env) {
	const ns = "removed"
	alpha, beta := newObjects(t, env.Cluster("alpha"), ns), newObjects(t, env.Cluster("beta"), ns)
	alpha.create("stays")
	beta.create("goes")
	dir := t.TempDir()
	write := func(name string) {
		if err := testenv.WriteKubeconfig(filepath.Join(dir, name+".yaml"), env.Cluster(name)); err != nil {
			t.Fatal(err)
		}
	}
	write("alpha")
	r := start(t, "--clusters=dir:"+dir, "--watch=configmaps?namespace="+ns)
	r.awaitSame(alpha)
	r.await("alpha is live", func() bool { return r.streamsLive("alpha") })
	series := func() (n int) {
		families, err := r.registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			for _, m := range f.GetMetric() {
				for _, l := range m.GetLabel() {
					if l.GetName() == "cluster" && l.GetValue() == "beta" {
						n++
					}
				}
			}
		}
		return n
	}
	others := goleak.IgnoreCurrent()
	for range 2 {
		write("beta")
		r.await("beta is live", func() bool { return r.streamsLive("beta") })
		r.awaitSame(beta)
		if series() == 0 {
			t.Error("no metrics of the new member")
		}
		remove(t, filepath.Join(dir, "beta.yaml"))
		r.await("beta has left", func() bool { return r.cluster("beta").Name == "" })
		if n := series(); n != 0 {
			t.Errorf("%d series left of a removed cluster", n)
		}
		if sums, _ := r.program.current().routes.lanes(); sums["beta"] != nil {
			t.Errorf("its lane is left: %+v", sums["beta"])
		}
		if err := leaks.Find(others); err != nil {
			t.Errorf("goroutines of a removed cluster: %v", err)
		}
	}
	if got := len(deliveries(r, "beta")); got != 1 {
		t.Errorf("%d deliveries of an object that never changed, want 1: coming back replays nothing", got)
	}
}

func testDrain(t *testing.T, env *testenv.Env) {
	const ns = "drain"
	o := newObjects(t, env.Cluster("alpha"), ns)
	for i := range 60 {
		o.create(fmt.Sprintf("o-%d", i))
	}
	r := start(t, "--clusters=kubeconfig:"+writeKubeconfig(t, env.Cluster("alpha")), "--watch=configmaps?namespace="+ns, "--workers=1")
	r.out.stall()
	r.await("all are read and wait", func() bool {
		l := r.cluster("alpha").Lane
		return l.Live+l.Snapshot+l.InFlight >= 60
	})
	stopped := make(chan error, 1)
	go func() { stopped <- r.stop() }()
	r.await("the sources have stopped", func() bool { return r.cluster("alpha").State == "gone" })
	r.out.release()
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if got := len(deliveries(r, "alpha")); got < 60 {
		t.Errorf("%d of 60 waiting changes were delivered before the end", got)
	}
}

func testMissingResource(t *testing.T, env *testenv.Env) {
	const ns = "missing"
	o := newObjects(t, env.Cluster("alpha"), ns)
	o.create("here")
	r := start(t, "--clusters=kubeconfig:"+writeKubeconfig(t, env.Cluster("alpha")),
		"--watch=configmaps?namespace="+ns, "--watch=unicorns.example.com")
	r.awaitSame(o)
	r.await("the missing resource is shown as such", func() bool {
		c := r.cluster("alpha")
		return c.State == "live" && len(c.Streams) == 2 && c.Streams[1].State == "waiting" && strings.Contains(c.Streams[1].LastError, "unicorns")
	})
}

// TestHealthIsServed needs no cluster: the only member is one that nobody
// answers for.
func TestHealthIsServed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "nobody.yaml")
	writeFile(t, path, `{apiVersion: v1, kind: Config, clusters: [{name: it, cluster: {server: "https://127.0.0.1:1"}}],
		users: [{name: me, user: {token: hush}}], contexts: [{name: nobody, context: {cluster: it, user: me}}]}`)
	r := start(t, "--clusters=kubeconfig:"+path, "--watch=pods", "--health-probe-bind-address=127.0.0.1:0")
	r.await("the member is backing off", func() bool { return r.cluster("nobody").Attempt > 0 })
	get := func(path string) (int, string) {
		req := must(http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+r.program.healthAddress.String()+path, nil))(t)
		req.Close = true
		resp := must(http.DefaultClient.Do(req))(t)
		defer func() { _ = resp.Body.Close() }()
		return resp.StatusCode, string(must(io.ReadAll(resp.Body))(t))
	}
	for _, path := range []string{"/healthz", "/healthz/ping", "/readyz", "/readyz/", "/readyz/ledger", "/readyz?verbose"} {
		if code, body := get(path); code != http.StatusOK {
			t.Errorf("%s answers %d: %s", path, code, body)
		}
	}
	if code, _ := get("/readyz/nothing"); code != http.StatusNotFound {
		t.Errorf("a check that there is not answers %d", code)
	}
	code, body := get("/clusters")
	var s api.Status
	if err := json.Unmarshal([]byte(body), &s); err != nil || code != http.StatusOK {
		t.Fatalf("/clusters answers %d: %v\n%s", code, err, body)
	}
	if len(s.Clusters) != 1 || s.Clusters[0].Name != "nobody" || s.Clusters[0].State != "backing off" ||
		!strings.Contains(s.Clusters[0].LastError, "127.0.0.1:1") || len(s.Clusters[0].Streams) != 1 || !s.Sinks[0].Healthy {
		t.Errorf("/clusters answers %s", body)
	}
	if strings.Contains(body, "hush") {
		t.Error("/clusters shows a token")
	}
	for path, want := range map[string]string{
		"/": "127.0.0.1:1", "/status/clusters": "nobody", "/status/clusters/nobody": "token", "/status/object?cluster=nobody&resource=pods&namespace=a&name=b": "StreamDown", "/status/routes/" + url.PathEscape(s.Sinks[0].Name): "It accepts",
	} {
		code, body := get(path)
		if code != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s answers %d without %q:\n%s", path, code, want, body)
		}
		if strings.Contains(body, "hush") {
			t.Errorf("%s shows a token", path)
		}
	}
}

// awaitSame waits until replaying what came out of the program gives what the
// API server holds, and checks that nothing went backwards on the way.
func (r *running) awaitSame(o *objects) {
	r.t.Helper()
	want := o.list()
	var got map[string]string
	r.await("the sink has what "+o.cluster+" has", func() bool {
		got = map[string]string{}
		for _, e := range r.out.received() {
			if e.Cluster == o.cluster && e.Namespace == o.namespace && e.Name != "kube-root-ca.crt" {
				apply(got, e)
			}
		}
		return maps.Equal(want, got)
	})
	newest := map[string]int{}
	for _, e := range deliveries(r, o.cluster) {
		rv := 0
		if _, err := fmt.Sscan(e.ResourceVersion, &rv); err != nil {
			r.t.Fatalf("event %s: %v", e.ID, err)
		}
		if rv < newest[e.Name] {
			r.t.Errorf("%s went backwards, from %d to %d", e.Name, newest[e.Name], rv)
		}
		newest[e.Name] = rv
	}
	if len(r.out.bad) > 0 {
		r.t.Errorf("lines that are no events: %s", cmp.Diff(nil, r.out.bad))
	}
}

// apply replays one event on a map of name to UID and version.
func apply(state map[string]string, e pipeline.Event) {
	if e.Op() != pipeline.Deleted {
		state[e.Name] = e.UID() + " " + e.ResourceVersion
		return
	}
	if strings.HasPrefix(state[e.Name], e.UID()+" ") {
		delete(state, e.Name)
	}
}

func deliveries(r *running, cluster string) []pipeline.Event {
	var all []pipeline.Event
	for _, e := range r.out.received() {
		if e.Cluster == cluster && e.Name != "kube-root-ca.crt" {
			all = append(all, e)
		}
	}
	return all
}

func snapshots(r *running, cluster string) (n uint64) {
	for _, s := range r.cluster(cluster).Streams {
		for _, count := range s.Snapshots {
			n += count
		}
	}
	return n
}

// heap returns the live heap in bytes.
func heap() int64 {
	runtime.GC()
	runtime.GC() // what the first one's finalizers let go
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
