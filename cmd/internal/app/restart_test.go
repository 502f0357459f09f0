package app

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-dev/fairlead/internal/testenv"
)

// testRestart stops the program, changes things meanwhile, and starts it again
// on the same ledger: first with a watch that can be resumed, then with one
// that has expired.
func testRestart(t *testing.T, env *testenv.Env) {
	const ns = "restart"
	o := newObjects(t, env.Cluster("beta"), ns)
	for i := range 50 {
		o.create(fmt.Sprintf("o-%d", i))
	}
	out, path := newRecorder(), filepath.Join(t.TempDir(), "ledger")
	run := func() *running {
		return startWith(t, Options{}, out, "--clusters=kubeconfig:"+writeKubeconfig(t, env.Cluster("beta")), "--watch=configmaps?namespace="+ns,
			"--ledger="+path)
	}
	// counts returns how many events of each kind came after the first n.
	counts := func(n int) map[string]int {
		c := map[string]int{}
		for _, e := range out.received()[n:] {
			if e.Name == "kube-root-ca.crt" {
				continue
			}
			kind := e.Op().String()
			if e.Tombstone {
				kind += " tombstone"
			}
			c[kind]++
		}
		return c
	}
	r := run()
	r.awaitSame(o)
	r.end()
	seen := len(out.received())

	for i := range 5 {
		o.patch(fmt.Sprintf("o-%d", i), "changed meanwhile")
		o.delete(fmt.Sprintf("o-%d", i+10))
		o.create(fmt.Sprintf("new-%d", i))
	}
	o.delete("o-20")
	o.create("o-20")
	r = run()
	r.awaitSame(o)
	if n := snapshots(r, "beta"); n != 0 {
		t.Errorf("%d snapshots although the watch could be resumed", n)
	}
	r.end()
	want := map[string]int{"updated": 5, "deleted": 6, "added": 6}
	got := counts(seen)
	// The re-created object's deletion may have been coalesced with what
	// followed, and is then worked out.
	got["deleted"] += got["deleted tombstone"]
	delete(got, "deleted tombstone")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("delivered after a restart (-want +got):\n%s", diff)
	}

	seen = len(out.received())
	for i := range 3 {
		o.delete(fmt.Sprintf("o-%d", i+30))
	}
	o.create("newest")
	if err := env.Cluster("beta").Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := env.Cluster("beta").Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	r = run()
	r.awaitSame(o)
	if n := snapshots(r, "beta"); n != 1 {
		t.Errorf("%d snapshots after the watch had expired, want 1", n)
	}
	r.end()
	if diff := cmp.Diff(map[string]int{"deleted tombstone": 3, "added": 1}, counts(seen)); diff != "" {
		t.Errorf("delivered after the watch had expired (-want +got):\n%s", diff)
	}
}

// end stops the program and fails the test if it ends with an error.
func (r *running) end() {
	r.t.Helper()
	if err := r.stop(); err != nil {
		r.t.Errorf("run: %v", err)
	}
}
