package app

import (
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// TestFullDisk leaves the ledger of a running program no room: on a small volume
// of its own, and, where that may not be mounted, by a limit on the size of files.
func TestFullDisk(t *testing.T) {
	env := testenv.Start(t, testenv.Spec{Name: "alpha"})
	t.Run("volume", func(t *testing.T) { testFullDisk(t, env, "volume", "no space left on device") })
	t.Run("limit", func(t *testing.T) { testFullDisk(t, env, "limit", "file too large") })
}

func testFullDisk(t *testing.T, env *testenv.Env, mode, reason string) {
	o := newObjects(t, env.Cluster("alpha"), "full-"+mode)
	long := strings.Repeat("x", 200) // so that the ledger grows fast
	for i := range 100 {
		o.create(fmt.Sprintf("known-%d", i))
	}
	dir := t.TempDir()
	p := startKeeper(t, mode, dir, "--clusters=kubeconfig:"+writeKubeconfig(t, env.Cluster("alpha")),
		"--watch=configmaps?namespace="+o.namespace, "--ledger="+filepath.Join(dir, "ledger"), "--cluster-qps=0",
		"--metrics-bind-address=127.0.0.1:0", "--health-probe-bind-address=127.0.0.1:0", "--admin-bind-address=0")
	p.start()
	p.awaitGood(o)

	p.do("full")
	for n := 0; ; n++ {
		if ok, _ := p.ready(); !ok {
			break
		}
		if n == 5000 {
			t.Fatal("the ledger still grows")
		}
		o.create(fmt.Sprintf("grows-%d-%s", n, long))
	}
	p.awaitFull(reason)
	if code, body := p.try(p.health, "/healthz"); code != 200 {
		t.Errorf("/healthz answers %d: a restart would not help: %s", code, body)
	}
	// What comes now is read and waits.
	for i := range 200 {
		o.create(fmt.Sprintf("paused-%d-%s", i, long))
	}
	for i := range 20 {
		o.patch(fmt.Sprintf("known-%d", i), "paused")
		o.delete(fmt.Sprintf("known-%d", 20+i))
	}
	attempts := p.status().Ledger.Attempts
	p.await("it is read", func() bool {
		s := p.status()
		for _, e := range p.out.received() {
			if strings.HasPrefix(e.Name, "paused-") || strings.HasPrefix(e.Name, "known-") && e.Op() != pipeline.Added {
				t.Fatalf("%s %s was delivered although the ledger could not be written", e.Name, e.Op())
			}
		}
		return s.Clusters[0].Streams[0].Unacked >= 240 && s.Ledger.Attempts > attempts
	})
	for _, name := range []string{"paused-0-" + long, "paused-199-" + long, "known-0"} {
		_, body := p.try(p.health, "/explain?cluster=alpha&resource=configmaps&namespace="+o.namespace+"&name="+name)
		if !strings.Contains(body, `"HeldByLedger"`) || !strings.Contains(body, reason) {
			t.Errorf("of %s it is said: %s", name, body)
		}
	}
	if n := strings.Count(p.log.String(), "The ledger cannot be written; delivery pauses until it can"); n != 1 {
		t.Errorf("%d lines in the log of one full disk", n)
	}

	// A crash on a full disk, and a start on it, forget nothing.
	p.do("kill")
	p.start()
	p.awaitFull(reason)

	p.do("space")
	p.awaitGood(o)
	if !strings.Contains(p.log.String(), "The ledger is written again; delivery goes on") {
		t.Error("the log does not tell that it goes on")
	}

	p.do("stop")
	seen := len(p.out.received())
	p.start()
	p.awaitGood(o)
	for _, s := range p.status().Clusters[0].Streams {
		if len(s.Snapshots) > 0 {
			t.Errorf("snapshots after a restart: %v", s.Snapshots)
		}
	}
	if n := len(p.out.received()) - seen; n > 0 {
		t.Errorf("a restart has delivered %d changes again", n)
	}
	p.do("stop")
	if mode == "limit" { // the volume is out of sight
		if out, err := command(t, "ledger", "verify", "--ledger", filepath.Join(dir, "ledger")); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	}
}

// awaitFull waits until the ledger cannot be written, and checks that all who
// ask are told.
func (p *process) awaitFull(reason string) {
	p.t.Helper()
	var body string
	p.await("the disk is full", func() bool { // after a start it is not ready for another reason at first
		_, body = p.ready()
		return strings.Contains(body, "[-]ledger failed")
	})
	s := p.status().Ledger
	for what, said := range map[string]string{"/readyz": body, "/clusters": s.LastError, "the log": p.log.String()} {
		for _, want := range []string{"write ledger ", reason, "make room"} {
			if !strings.Contains(said, want) {
				p.t.Errorf("%s does not say %q: %s", what, want, said)
			}
		}
	}
	if s.Healthy || s.Attempts == 0 || s.NextRetry.IsZero() {
		p.t.Errorf("/readyz answers %s, /clusters %+v", body, s)
	}
	up, failed := p.metric("fairlead_ledger_up"), p.metric(`fairlead_ledger_writes_total{result="failed"}`)
	if up != "0" || failed == "" || failed == "0" {
		p.t.Errorf("fairlead_ledger_up is %q, %q transactions have failed", up, failed)
	}
}

// awaitGood waits until everything is delivered and stored, and checks that
// nobody is told otherwise.
func (p *process) awaitGood(o *objects) {
	p.t.Helper()
	want := o.list()
	p.await("the sink has what the cluster has", func() bool {
		got := map[string]string{}
		for _, e := range p.out.received() {
			if e.Namespace == o.namespace && e.Name != "kube-root-ca.crt" {
				apply(got, e)
			}
		}
		return maps.Equal(want, got)
	})
	p.await("everything is acked", func() bool {
		c := p.status().Clusters
		return len(c) == 1 && len(c[0].Streams) == 1 && c[0].Streams[0].State == "live" && c[0].Streams[0].Unacked == 0
	})
	ok, body := p.ready()
	if s, up := p.status().Ledger, p.metric("fairlead_ledger_up"); !ok || body != "ok" || up != "1" || !s.Healthy || s.LastError != "" || s.Attempts != 0 {
		p.t.Errorf("/readyz answers %s, fairlead_ledger_up is %s, /clusters %+v", body, up, s)
	}
}
