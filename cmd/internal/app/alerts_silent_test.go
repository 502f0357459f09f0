package app

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"

	"github.com/fairlead-dev/fairlead/internal/testenv"
)

func listOf(f *dto.MetricFamily) []*dto.MetricFamily { return []*dto.MetricFamily{f} }

// settled tells whether all that was read is accepted.
func settled(s *scrape) bool {
	return s.total("fairlead_route_changes_unacked", "") == 0 && s.total("fairlead_stream_state", `state="live"`) > 0
}

// testHealthyIsSilent has a fleet in which changes come and go: nothing fires, also not about
// a resource that is not installed.
func testHealthyIsSilent(t *testing.T, env *testenv.Env) {
	const ns = "alert-healthy"
	alpha, beta := newObjects(t, env.Cluster("alpha"), ns), newObjects(t, env.Cluster("beta"), ns)
	dir := t.TempDir()
	r := start(t, "--clusters=kubeconfig:"+writeKubeconfig(t, env.Cluster("alpha"), env.Cluster("beta")),
		"--watch=configmaps?namespace="+ns, "--watch=unicorns.example.com", "--ledger="+filepath.Join(dir, "ledger"), "--dead-letter="+filepath.Join(dir, "dead"),
		"--sink=stdout:", "--sink="+receiver(t, "").URL, `--where=configmaps: object.metadata.name != "unwanted"`, "--cluster-qps=200")
	const missing = "fairlead_stream_reconnects_total"
	before := r.awaitScrape("the missing resource has been asked for", func(s *scrape) bool { return s.total(missing, `reason="missing"`) >= 2 })
	for _, o := range []*objects{alpha, beta} {
		for i := range 50 {
			o.create(fmt.Sprint("o-", i))
		}
		for i := range 50 {
			o.patch(fmt.Sprint("o-", i), "changed")
		}
		for i := range 10 {
			o.delete(fmt.Sprint("o-", i))
		}
		r.awaitSame(o)
	}
	after := r.awaitScrape("all is accepted, and the missing resource was asked for again", func(s *scrape) bool {
		return settled(s) && s.total(missing, `reason="missing"`) >= 4
	})
	continued(before, after).isSilent(t, after.at)
}

// testPausedIsSilent pauses a cluster, a resource of the other one, or a route, for hours: what
// waits there waits on order, and nothing fires. Once it goes on, the same is an alert again.
func testPausedIsSilent(t *testing.T, env *testenv.Env) {
	for _, what := range [][]string{{"alpha"}, {"--stream=alpha/configmaps"}, {"--route=stdout:"}} {
		t.Run(what[0], func(t *testing.T) {
			ns := env.Cluster("alpha").NewNamespace(t)
			r, o := inAlpha(t, env, ns, "--lane-capacity=5", "--workers=1", "--admin-bind-address=127.0.0.1:0")
			r.awaitSame(o)
			r.steer(append([]string{"pause", "--for=12h", "--reason=maintenance"}, what...)...)
			for i := range 20 {
				o.create(fmt.Sprint("o-", i))
			}
			// A paused resource is not read, so its lane does not fill.
			const age, full = "fairlead_route_oldest_unacked_age_seconds", "fairlead_backpressure_seconds_total"
			before := r.awaitScrape("changes wait", func(s *scrape) bool {
				return s.total(age, "") > 0 && (s.total(full, "") > 0 || strings.HasPrefix(what[0], "--stream"))
			})
			story, start := r.goesOnAs(before, "for a second", growsBy(before, age, 1))
			story.isSilent(t, start)
			r.out.stall()
			r.steer(append([]string{"resume"}, what...)...)
			before = r.awaitScrape("nothing is paused", func(s *scrape) bool { return s.total("fairlead_paused", "") == 0 && s.total(full, "") > 0 })
			story, start = r.goesOnAs(before, "for a second more", growsBy(before, full, 1))
			story.fires(t, start, []string{"FairleadBacklogGrowing", "FairleadOldestUnackedHigh"}, nil)
		})
	}
}

// testRollingUpdateIsSilent replaces two processes, one after the other, as a Deployment does:
// the follower first, then the leader.
func testRollingUpdateIsSilent(t *testing.T, env *testenv.Env) {
	ns := env.Cluster("alpha").NewNamespace(t)
	o := newObjects(t, env.Cluster("alpha"), ns)
	dir, stand := t.TempDir(), leaseStand(t, env.Cluster("alpha"), ns)
	run := func() *running {
		return start(t, append([]string{
			"--clusters=kubeconfig:" + writeKubeconfig(t, env.Cluster("alpha"), env.Cluster("beta")), "--watch=configmaps?namespace=" + ns,
			"--ledger=" + filepath.Join(dir, "ledger"), "--sink=file:" + filepath.Join(dir, "events"), "--leader-elect",
		}, stand.follower...)...)
	}
	leads := func(s *scrape) bool { return s.total("fairlead_leader", "") == 1 }
	stop := func(r *running) {
		t.Helper()
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	}
	lives := func(r *running) (early, late *scrape) {
		t.Helper()
		early = r.awaitScrape("it leads", leads)
		return early, r.awaitScrape("it has read all", func(s *scrape) bool {
			return leads(s) && settled(s) && r.streamsLive("alpha") && r.streamsLive("beta")
		})
	}

	o.create("first")
	a := run() // of the old version, as b
	_, aLeads := lives(a)
	b := run()
	bFollows := b.scrape()
	stop(b)
	c := run() // of the new version, as d
	cFollows := c.scrape()
	o.create("second")
	stop(a)
	cBegins, cLeads := lives(c)
	d := run()
	dFollows := d.scrape()

	// A sample of each a minute: the last leader has ended, and for a minute none leads.
	(&story{map[string][]chapter{
		"a": {{aLeads, aLeads, 13}, {minutes: 108}},
		"b": {{bFollows, bFollows, 10}, {minutes: 111}},
		"c": {{minutes: 11}, {cFollows, cFollows, 3}, {cBegins, cBegins, 2}, {cLeads, cLeads, 105}},
		"d": {{minutes: 15}, {dFollows, dFollows, 106}},
	}}).isSilent(t, cLeads.at)
}
