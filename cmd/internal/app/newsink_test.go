package app

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-dev/fairlead/internal/testenv"
)

// testNewSink gives the program a sink more, and then objects in another form,
// with all of it delivered before and kept in the ledger.
func testNewSink(t *testing.T, env *testenv.Env) {
	const ns = "newsink"
	o := newObjects(t, env.Cluster("beta"), ns)
	for i := range 20 {
		o.create(fmt.Sprintf("o-%d", i))
		o.patch(fmt.Sprintf("o-%d", i), "text")
	}
	dir := t.TempDir()
	out, added := newRecorder(), filepath.Join(dir, "added")
	run := func(more ...string) *running {
		return startWith(t, Options{}, out, append(more, "--sink=stdout:", "--clusters=kubeconfig:"+writeKubeconfig(t, env.Cluster("beta")),
			"--ledger="+filepath.Join(dir, "ledger"))...)
	}
	whole, metadata := "--watch=configmaps?namespace="+ns, "--watch=configmaps?mode=metadata&namespace="+ns
	// outcome says what became of a run: snapshots, events, and those with data.
	outcome := func(r *running, seen int) string {
		r.awaitSame(o)
		r.await("its stream is live", func() bool { return r.streamsLive("beta") })
		n := snapshots(r, "beta")
		r.end()
		events, data := 0, 0
		for _, e := range out.received()[seen:] {
			if e.Name == "kube-root-ca.crt" {
				continue
			}
			events++
			if strings.Contains(string(e.Data), "text") {
				data++
			}
		}
		return fmt.Sprintf("%d snapshots, %d events, %d with data", n, events, data)
	}
	var got []string
	for _, args := range [][]string{
		{whole},
		{whole},
		{whole, "--sink=file:" + added},
		{whole, "--sink=file:" + added},
		{whole},
		{metadata},
		{whole},
	} {
		got = append(got, outcome(run(args...), len(out.received())))
	}
	all, none := "1 snapshots, 20 events, 20 with data", "0 snapshots, 0 events, 0 with data"
	want := []string{all, none, "1 snapshots, 0 events, 0 with data", none, none, "1 snapshots, 20 events, 0 with data", all}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("runs (-want +got):\n%s", diff)
	}
	text, err := os.ReadFile(added)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		if name := fmt.Sprintf(`"name":"o-%d"`, i); !strings.Contains(string(text), name) {
			t.Errorf("the added sink was never told of %s", name)
		}
	}
}
