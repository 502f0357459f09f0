package app

import (
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/internal/testenv"
)

// TestMemberThatInventsObjects gives a member that invents objects without end, and
// one that does not, a ledger on a volume of 2 MiB: without a bound of each it is
// full within seconds, and nothing is delivered any more.
func TestMemberThatInventsObjects(t *testing.T) {
	bad, good := testenv.StartHostile(t, "bad"), testenv.StartHostile(t, "good")
	bad.Put("configmaps", "default", "real", nil)
	want := map[string]string{}
	put := func(i int) {
		name := fmt.Sprint("good-", i%50)
		if i%7 == 0 {
			good.Delete("configmaps", "default", name)
			delete(want, name)
			return
		}
		want[name] = good.Put("configmaps", "default", name, map[string]any{"data": map[string]any{"k": fmt.Sprint(i)}})
	}
	dir := t.TempDir()
	p := startKeeper(t, "volume", dir, "--clusters=kubeconfig:"+writeKubeconfig(t, bad, good),
		"--watch=configmaps,secrets", "--ledger="+filepath.Join(dir, "ledger"), "--cluster-qps=0", "--max-ledger-bytes=200Ki",
		"--metrics-bind-address=127.0.0.1:0", "--health-probe-bind-address=127.0.0.1:0", "--admin-bind-address=0")
	p.start()
	goesOn := func(from int) {
		t.Helper()
		for i := range 200 {
			put(from + i)
			if i%20 != 19 {
				continue
			}
			p.await("the good member's changes are delivered", func() bool {
				got := map[string]string{}
				for _, e := range p.out.received() {
					if e.Cluster == "good" && e.Key().Resource == "configmaps" {
						apply(got, e)
					}
				}
				for name, state := range got {
					_, got[name], _ = strings.Cut(state, " ")
				}
				return maps.Equal(want, got)
			})
			if ok, body := p.ready(); !ok {
				t.Fatalf("/readyz: %s", body)
			}
		}
	}
	goesOn(0)
	stop := bad.Lie(testenv.Watches, testenv.Invent(1000))
	bad.Lie(testenv.StreamingLists, testenv.Invent(1000))
	bad.Drop()
	p.await("the bad member is at its bound, and says so", func() bool {
		for _, st := range p.cluster("bad").Streams {
			if st.Reason == "too_many_objects" && st.State == "waiting" && st.Missing > 10_000 && strings.Contains(st.LastError, "fairlead.dev/max-ledger-bytes") {
				return true
			}
		}
		return false
	})
	goesOn(1000)
	l := p.cluster("bad").Ledger
	if !l.Healthy || l.Bytes > l.MaxBytes || l.MaxBytes != 200<<10 || l.Objects < 50 || !p.cluster("good").Ledger.Healthy {
		t.Errorf("in the ledger: %+v", l)
	}
	if n := p.metric(`fairlead_ledger_cluster_bytes_max{cluster="bad"}`); n != "204800" {
		t.Errorf("the bound is %q", n)
	}
	if s := p.status().Ledger; !s.Healthy || p.metric(`fairlead_ledger_writes_total{result="failed"}`) != "0" {
		t.Errorf("the ledger: %+v", s)
	}
	if n := strings.Count(p.log.String(), "as much in the ledger as it may have"); n < 1 || n > 10 {
		t.Errorf("%d lines of the log tell of it", n)
	}
	p.do("kill")
	p.start()
	goesOn(2000)
	stop()
	p.do("stop")
}

// cluster returns what /clusters tells of one cluster.
func (p *process) cluster(name string) api.Cluster {
	p.t.Helper()
	for _, c := range p.status().Clusters {
		if c.Name == name {
			return c
		}
	}
	return api.Cluster{}
}
