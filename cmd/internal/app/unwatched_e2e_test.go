package app

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// testUnwatched drops a --watch. Once the retention is over, each sink is told that all
// of it is gone, although the cluster cannot be reached, through lanes that bound what
// waits; one that hangs holds up no other. What is watched again comes again, as
// other events.
func testUnwatched(t *testing.T, env *testenv.Env) {
	const ns, objects, lane = "unwatched", 40, 8
	o := newObjects(t, env.Cluster("beta"), ns)
	for i := range objects {
		o.create(fmt.Sprintf("o-%d", i))
	}
	proxy, dir, out := newProxy(t, env.Cluster("beta")), t.TempDir(), newRecorder()
	file := filepath.Join(dir, "events")
	kept, dropped := "--watch=serviceaccounts?namespace="+ns, "--watch=configmaps?namespace="+ns
	run := func(retention time.Duration, watches ...string) *running {
		s := parseWith(t, Options{}, append(watches, "--sink=stdout:", "--sink=file:"+file, "--clusters=kubeconfig:"+writeKubeconfig(t, proxy),
			"--ledger="+filepath.Join(dir, "ledger"), fmt.Sprint("--lane-capacity=", lane))...)
		s.LedgerRetention = retention
		return startSettings(t, s, out)
	}
	r := run(time.Hour, kept, dropped)
	r.awaitSame(o)
	r.await("its streams are live", func() bool { return r.streamsLive("beta") })
	r.end()
	all := len(o.list())

	r = run(time.Hour, kept)
	r.await("it is known that nobody follows it", func() bool {
		left := r.program.ledger.UnwatchedObjects()
		return len(left) == 1 && left[0].Objects == 2*all
	})
	r.end()
	rows := inspected(t, filepath.Join(dir, "ledger"))
	if since, err := time.Parse(time.RFC3339, rows["configmaps"]["UNWATCHED SINCE"]); err != nil || since.IsZero() || rows["serviceaccounts"]["UNWATCHED SINCE"] != "-" {
		t.Errorf("the ledger tells %v, %v", rows, err)
	}
	seen := len(out.received())

	proxy.Cut()
	out.stall()
	r = run(time.Second, kept)
	r.await("the other sink has all deletions", func() bool {
		text := must(os.ReadFile(file))(t)
		return bytes.Count(text, []byte(`"tombstone":true`)) == all
	})
	r.await("the lane is full", func() bool { return r.cluster("beta").Lane.Snapshot > 0 })
	if c := r.cluster("beta"); c.Lane.Snapshot+c.Lane.InFlight > 4*lane {
		t.Errorf("lanes of %d hold %+v", lane, c.Lane)
	}
	out.release()
	r.await("the sink has all deletions", func() bool { return len(r.program.ledger.UnwatchedObjects()) == 0 })
	r.end()
	ids := map[string]bool{}
	for _, e := range out.received()[seen:] {
		if e.Op() != pipeline.Deleted || !e.Tombstone || e.Kind != "ConfigMap" || ids[e.ID] {
			t.Errorf("event %s of a %s, tombstone %t, before: %t", e.ID, e.Kind, e.Tombstone, ids[e.ID])
		}
		ids[e.ID] = true
	}
	if len(ids) != all {
		t.Errorf("%d deletions of %d objects", len(ids), all)
	}

	restore(t, proxy)
	r = run(time.Hour, kept, dropped)
	r.await("the sink has all of it again", func() bool {
		state := map[string]string{}
		for _, e := range out.received() {
			if e.Kind == "ConfigMap" {
				apply(state, e)
			}
		}
		return maps.Equal(state, o.list())
	})
	r.end()
	ids = map[string]bool{}
	for _, e := range out.received() {
		if e.Kind == "ConfigMap" && ids[e.ID] {
			t.Errorf("event %s comes twice, with the deletion between", e.ID)
		}
		ids[e.ID] = true
	}
}
