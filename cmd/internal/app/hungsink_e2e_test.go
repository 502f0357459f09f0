package app

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/fairlead-dev/fairlead/internal/testenv"
)

// testHungSink has one sink hang from the start. The other one gets all that happens,
// which is many times what lanes hold, through stages with few workers; and the first
// one gets all that there is once it goes on.
func testHungSink(t *testing.T, env *testenv.Env) {
	const ns, changes, lane = "hung", 2000, 100
	o := newObjects(t, env.Cluster("gamma"), ns)
	out, file := newRecorder(), filepath.Join(t.TempDir(), "events")
	out.stall()
	r := startWith(t, Options{}, out, "--clusters=kubeconfig:"+writeKubeconfig(t, env.Cluster("gamma")), "--watch=configmaps?namespace="+ns,
		"--sink=stdout:", "--sink=file:"+file, "--workers=4", fmt.Sprint("--lane-capacity=", lane))
	var g errgroup.Group
	g.SetLimit(8)
	for i := range changes {
		g.Go(func() error {
			o.create(fmt.Sprintf("o-%d", i))
			return nil
		})
	}
	_ = g.Wait()
	r.await("the other sink has all", func() bool {
		return bytes.Count(must(os.ReadFile(file))(t), []byte(`"name":"o-`)) >= changes
	})
	if n := len(out.received()); n != 0 {
		t.Errorf("the sink that hangs has %d events", n)
	}
	out.release()
	r.awaitSame(o)
}
