package app

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/ledger/bolt"
	"github.com/fairlead-dev/fairlead/internal/testenv"
)

// faultOfAlert has something go wrong with the program, on clusters that are well besides.
type faultOfAlert struct {
	want   []string // alerts that it fires
	follow []string // that it may fire, too
	// happens returns what the program goes through, and when that began.
	happens func(t *testing.T, env *testenv.Env) (*story, time.Time)
}

var faultsOfAlerts = map[string]faultOfAlert{
	"all processes end":                      {want: []string{"FairleadDown"}, happens: alertOnEnd},
	"the one that led before does not end":   {want: []string{"FairleadNoLeader"}, happens: alertOnHeldLedger},
	"a folder is empty":                      {want: []string{"FairleadNoClusters"}, happens: alertOnNoClusters},
	"the hub does not answer":                {want: []string{"FairleadNoLeader"}, happens: alertOnNoLock},
	"the hub does not answer a follower":     {want: []string{"FairleadLockNotReadable"}, happens: alertOnFollowerCutOff},
	"a member is cut off":                    {want: []string{"FairleadClusterNotLive"}, happens: alertOnCut},
	"a resource may not be read":             {want: []string{"FairleadClusterStale"}, happens: alertOnForbidden},
	"nobody renews a token":                  {want: []string{"FairleadCredentialsExpire"}, happens: alertOnExpiry},
	"a cluster floods":                       {want: []string{"FairleadThrottled"}, follow: []string{"FairleadOldestUnackedHigh"}, happens: alertOnFlood},
	"a rule reads a field that is not there": {want: []string{"FairleadFilterErrors"}, happens: alertOnRule},
	"a member's watch leaves changes out":    {want: []string{"FairleadAuditDifferences"}, happens: alertOnLostChange},
	"nothing listens at the sink":            {want: []string{"FairleadSinkDown"}, follow: []string{"FairleadOldestUnackedHigh"}, happens: alertOnDeadSink},
	"a sink refuses a change":                {want: []string{"FairleadSinkRefusing", "FairleadOldestUnackedHigh"}, happens: alertOnRefusal},
	"a sink refuses a change for good":       {want: []string{"FairleadDeadLetters"}, happens: alertOnDeadLetter},
	"a sink hangs":                           {want: []string{"FairleadBacklogGrowing", "FairleadOldestUnackedHigh"}, happens: alertOnHungSink},
	"one of two sinks hangs":                 {want: []string{"FairleadBacklogGrowing", "FairleadOldestUnackedHigh"}, happens: alertOnSinkBehind},
	"a sink hangs, and objects are large":    {want: []string{"FairleadMemoryBudget"}, follow: []string{"FairleadBacklogGrowing", "FairleadOldestUnackedHigh"}, happens: alertOnMemory},
	"the ledger's volume is full":            {want: []string{"FairleadLedgerNotWritable"}, follow: []string{"FairleadOldestUnackedHigh"}, happens: alertOnFullVolume},
	"a cluster has too many objects":         {want: []string{"FairleadLedgerFull", "FairleadClusterStale"}, happens: alertOnTooMany},
	"the fleet outgrows the metrics":         {want: []string{"FairleadCardinalityHigh"}, happens: alertOnGrowth},
	"a kubeconfig is none":                   {want: []string{"FairleadDescriptionUnusable"}, happens: alertOnDescription},
	"a configuration file becomes invalid":   {want: []string{"FairleadConfigInvalid"}, happens: alertOnConfig},
}

// TestEveryAlertIsFiredByAFault has each fault happen to the program, reads its metrics, and
// has Prometheus judge two hours of them.
func TestEveryAlertIsFiredByAFault(t *testing.T) {
	fired := map[string]bool{}
	for _, fault := range faultsOfAlerts {
		for _, name := range fault.want {
			fired[name] = true
		}
	}
	rules := must(os.ReadFile(alertRules))(t)
	for _, m := range regexp.MustCompile(`(?m)- alert: (\w+)$`).FindAllSubmatch(rules, -1) {
		if !fired[string(m[1])] {
			t.Errorf("no fault fires %s", m[1])
		}
	}
	env := testenv.Start(t, testenv.Spec{Name: "alpha"}, testenv.Spec{Name: "beta"})
	for name, fault := range faultsOfAlerts {
		t.Run(name, func(t *testing.T) {
			story, start := fault.happens(t, env)
			story.fires(t, start, fault.want, fault.follow)
		})
	}
	t.Run("healthy", func(t *testing.T) { testHealthyIsSilent(t, env) })
	t.Run("paused", func(t *testing.T) { testPausedIsSilent(t, env) })
	t.Run("rolling update", func(t *testing.T) { testRollingUpdateIsSilent(t, env) })
}

// inAlpha starts the program on one cluster, and waits until it has read it.
func inAlpha(t *testing.T, env *testenv.Env, namespace string, flags ...string) (*running, *objects) {
	t.Helper()
	o := newObjects(t, env.Cluster("alpha"), namespace)
	o.create("first")
	r := start(t, append([]string{"--clusters=kubeconfig:" + writeKubeconfig(t, env.Cluster("alpha")), "--watch=configmaps?namespace=" + namespace, "--drain-timeout=0s"}, flags...)...)
	r.await("the stream is live", func() bool { return r.streamsLive("alpha") })
	return r, o
}

// goesOnAs waits until something is to be seen, and then for what follows, and returns the
// story of a program that goes on so.
func (r *running) goesOnAs(before *scrape, what string, shows func(s *scrape) bool) (*story, time.Time) {
	r.t.Helper()
	after := r.awaitScrape(what, shows)
	return continued(before, after), after.at
}

// shows is a gauge that is at least one.
func shows(metric, label string) func(*scrape) bool {
	return func(s *scrape) bool { return s.total(metric, label) >= 1 }
}

// growsBy is a counter that has grown by so much since a scrape.
func growsBy(before *scrape, metric string, least float64) func(*scrape) bool {
	return func(s *scrape) bool { return s.total(metric, "")-before.total(metric, "") >= least }
}

func alertOnEnd(t *testing.T, env *testenv.Env) (*story, time.Time) {
	r, _ := inAlpha(t, env, "alert-end")
	s := r.scrape()
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	return of(chapter{s, s, 60}, chapter{minutes: 61}), s.at
}

func alertOnNoLock(t *testing.T, env *testenv.Env) (*story, time.Time) {
	stand := leaseStand(t, env.Cluster("alpha"), env.Cluster("alpha").NewNamespace(t))
	stand.line.Cut()
	r := start(t, append([]string{"--clusters=kubeconfig:" + writeKubeconfig(t, env.Cluster("beta")), "--watch=configmaps", "--leader-elect"}, stand.leader...)...)
	s := r.scrape()
	return continued(s, s), s.at
}

// alertOnFollowerCutOff cuts the line between a follower and the hub, while the leader's holds.
func alertOnFollowerCutOff(t *testing.T, env *testenv.Env) (*story, time.Time) {
	stand := leaseStand(t, env.Cluster("alpha"), env.Cluster("alpha").NewNamespace(t))
	flags := []string{
		"--clusters=kubeconfig:" + writeKubeconfig(t, env.Cluster("beta")), "--watch=configmaps?namespace=default", "--leader-elect",
		"--ledger=" + filepath.Join(t.TempDir(), "ledger"),
	}
	leader := start(t, append(flags, stand.follower...)...)
	leader.awaitScrape("it leads", shows("fairlead_leader", ""))
	follower := start(t, append(flags, stand.leader...)...)
	follower.await("it follows", func() bool {
		e := follower.program.electionStatus()
		return e.Role == "follower" && e.Leader != ""
	})
	follower.awaitScrape("it reads the lock", shows("fairlead_leader_lock_up", ""))
	stand.line.Cut()
	cut := follower.awaitScrape("it cannot read the lock", func(s *scrape) bool { return s.total("fairlead_leader_lock_up", "") == 0 })
	leads := leader.scrape()
	return &story{map[string][]chapter{"leader": {{leads, leads, 121}}, "follower": {{cut, cut, 121}}}}, cut.at
}

func alertOnHeldLedger(t *testing.T, env *testenv.Env) (*story, time.Time) {
	held := filepath.Join(t.TempDir(), "ledger")
	store := must(bolt.Open(held))(t)
	t.Cleanup(func() { _ = store.Close() })
	stand := leaseStand(t, env.Cluster("alpha"), env.Cluster("alpha").NewNamespace(t))
	r := start(t, append([]string{"--clusters=kubeconfig:" + writeKubeconfig(t, env.Cluster("beta")), "--watch=configmaps", "--leader-elect", "--ledger=" + held}, stand.leader...)...)
	r.await("it leads, and waits for the ledger", func() bool { return r.program.waitsFor.Load() != nil })
	s := r.scrape()
	return continued(s, s), s.at
}

func alertOnNoClusters(t *testing.T, _ *testenv.Env) (*story, time.Time) {
	r := start(t, "--clusters=dir:"+t.TempDir(), "--watch=configmaps")
	s := r.awaitScrape("the fleet is known", func(s *scrape) bool {
		_, told := s.values["fairlead_fleet_members{}"]
		return told
	})
	return continued(s, s), s.at
}
