package app

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

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
	"the hub does not answer":                {want: []string{"FairleadNoLeader"}, happens: alertOnNoLock},
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

func alertOnCut(t *testing.T, env *testenv.Env) (*story, time.Time) {
	proxy := newProxy(t, env.Cluster("beta"))
	r := start(t, "--clusters=kubeconfig:"+writeKubeconfig(t, env.Cluster("alpha"), proxy), "--watch=configmaps?namespace=default")
	r.await("both are live", func() bool { return r.streamsLive("alpha") && r.streamsLive("beta") })
	before := r.scrape()
	proxy.Cut()
	return r.goesOnAs(before, "it backs off", shows("fairlead_connection_state", `cluster="beta",state="backing off"`))
}

// namedTarget is a cluster with other credentials.
type namedTarget struct {
	name string
	cfg  *rest.Config
}

func (n namedTarget) Name() string         { return n.name }
func (n namedTarget) Config() *rest.Config { return n.cfg }

// tokenOf makes a service account that may read something everywhere, and returns a token of
// it for ten minutes, the shortest there is.
func tokenOf(t *testing.T, c *testenv.Cluster, name string, resources ...string) testenv.Target {
	t.Helper()
	h := must(rest.HTTPClientFor(c.Config()))(t)
	t.Cleanup(h.CloseIdleConnections)
	client := must(kubernetes.NewForConfigAndClient(c.Config(), h))(t)
	ctx, ns := t.Context(), "default"
	_, err := client.CoreV1().ServiceAccounts(ns).Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	rules := []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: resources, Verbs: []string{"list", "watch"}},
		{APIGroups: []string{""}, Resources: []string{"namespaces"}, ResourceNames: []string{"kube-system"}, Verbs: []string{"get"}},
	}
	if _, err := client.RbacV1().ClusterRoles().Create(ctx, &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: rules}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name},
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: ns, Name: name}},
	}
	if _, err := client.RbacV1().ClusterRoleBindings().Create(ctx, binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	lifetime := int64(600)
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &lifetime}}
	answer := must(client.CoreV1().ServiceAccounts(ns).CreateToken(ctx, name, request, metav1.CreateOptions{}))(t)
	cfg := &rest.Config{Host: c.Config().Host, BearerToken: answer.Status.Token, TLSClientConfig: rest.TLSClientConfig{CAData: c.Config().CAData}}
	return namedTarget{c.Name(), cfg}
}

func alertOnForbidden(t *testing.T, env *testenv.Env) (*story, time.Time) {
	target := tokenOf(t, env.Cluster("beta"), "alert-forbidden", "configmaps")
	// Its token would end within the story.
	target.(namedTarget).cfg.BearerTokenFile = ""
	r := start(t, "--clusters=kubeconfig:"+writeKubeconfig(t, target), "--watch=configmaps?namespace=default", "--watch=services?namespace=default")
	s := r.awaitScrape("the resource cannot be read", func(s *scrape) bool {
		return s.total("fairlead_stream_state", `resource="configmaps",state="live"`) == 1 &&
			s.total("fairlead_stream_reconnects_total", `reason="forbidden",resource="services"`) > 0
	})
	for name := range s.values {
		if strings.HasPrefix(name, "fairlead_cluster_credentials_") {
			delete(s.values, name) // of the test's token, which ends within the story
		}
	}
	return continued(s, s), s.at
}

func alertOnExpiry(t *testing.T, env *testenv.Env) (*story, time.Time) {
	r := start(t, "--clusters=kubeconfig:"+writeKubeconfig(t, tokenOf(t, env.Cluster("beta"), "alert-expiry", "configmaps")), "--watch=configmaps?namespace=default")
	r.await("the stream is live", func() bool { return r.streamsLive("beta") })
	s := r.scrape()
	return continued(s, s), s.at
}

func alertOnFlood(t *testing.T, env *testenv.Env) (*story, time.Time) {
	r, o := inAlpha(t, env, "alert-flood", "--cluster-qps=2", "--cluster-burst=1")
	for i := range 40 {
		o.create(fmt.Sprint("o-", i))
	}
	const metric = "fairlead_throttled_seconds_total"
	before := r.awaitScrape("it is throttled", func(s *scrape) bool { return s.total(metric, "") > 0 })
	return r.goesOnAs(before, "for two seconds", growsBy(before, metric, 2))
}

func alertOnRule(t *testing.T, env *testenv.Env) (*story, time.Time) {
	r, o := inAlpha(t, env, "alert-rule", `--where=configmaps: object.data.missing == "x"`)
	before := r.awaitScrape("all is accepted", settled)
	o.create("without")
	return r.goesOnAs(before, "the rule fails", func(s *scrape) bool {
		return settled(s) && growsBy(before, "fairlead_filter_errors_total", 1)(s)
	})
}

// alertOnLostChange has a member whose watch says that it is up to date, and has left an
// object out.
func alertOnLostChange(t *testing.T, _ *testenv.Env) (*story, time.Time) {
	member := testenv.StartHostile(t, "liar")
	member.Put("configmaps", "default", "first", nil)
	s := parseWith(t, Options{}, "--clusters=kubeconfig:"+writeKubeconfig(t, member), "--watch=configmaps?namespace=default")
	s.AuditInterval = 200 * time.Millisecond // less than the flag allows
	r := startSettings(t, s, newRecorder())
	r.await("the stream is live", func() bool { return r.streamsLive("liar") })
	before := r.scrape()
	var version atomic.Pointer[string]
	var lies atomic.Int64
	member.Lie(testenv.Watches, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			if v := version.Load(); v != nil {
				_, _ = fmt.Fprintf(w, `{"type":"BOOKMARK","object":{"kind":"ConfigMap","apiVersion":"v1","metadata":{"resourceVersion":%q}}}`+"\n", *v)
			}
			_ = http.NewResponseController(w).Flush()
			lies.Add(1)
			<-r.Context().Done()
		})
	})
	member.Drop()
	r.await("the member lies", func() bool { return lies.Load() > 0 })
	lost := member.Put("configmaps", "default", "lost", nil)
	version.Store(&lost)
	member.Drop()
	return r.goesOnAs(before, "an audit finds it", func(s *scrape) bool {
		return settled(s) && growsBy(before, "fairlead_audit_differences_total", 1)(s)
	})
}

// receiver is an HTTP sink's destination that refuses objects of one name.
func receiver(t *testing.T, refuses string) *httptest.Server {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if refuses != "" && bytes.Contains(body, []byte(refuses)) {
			w.WriteHeader(http.StatusUnprocessableEntity)
		}
	}))
	t.Cleanup(server.Close)
	return server
}

func alertOnDeadSink(t *testing.T, env *testenv.Env) (*story, time.Time) {
	server := receiver(t, "")
	r, o := inAlpha(t, env, "alert-sink", "--sink="+server.URL)
	before := r.scrape()
	server.Close()
	o.create("waits")
	return r.goesOnAs(before, "the sink is down", func(s *scrape) bool { return s.total("fairlead_sink_up", "") == 0 })
}

func alertOnRefusal(t *testing.T, env *testenv.Env) (*story, time.Time) {
	r, o := inAlpha(t, env, "alert-refusal", "--sink="+receiver(t, "unwanted").URL)
	o.create("unwanted")
	before := r.awaitScrape("it is refused", func(s *scrape) bool {
		return s.total("fairlead_changes_refused", "") == 1 && s.total("fairlead_route_oldest_unacked_age_seconds", "") > 0
	})
	return r.goesOnAs(before, "it is older", func(s *scrape) bool {
		const age = "fairlead_route_oldest_unacked_age_seconds"
		return s.total("fairlead_changes_refused", "") == 1 && s.total(age, "")-before.total(age, "") >= 0.5
	})
}

func alertOnDeadLetter(t *testing.T, env *testenv.Env) (*story, time.Time) {
	r, o := inAlpha(t, env, "alert-dead", "--sink="+receiver(t, "unwanted").URL, "--dead-letter="+filepath.Join(t.TempDir(), "dead"))
	before := r.scrape()
	o.create("unwanted")
	return r.goesOnAs(before, "it is a dead letter", func(s *scrape) bool {
		return s.total("fairlead_sink_changes_total", `result="dead_lettered"`) >= 1 && s.total("fairlead_route_changes_unacked", "") == 0
	})
}

func alertOnHungSink(t *testing.T, env *testenv.Env) (*story, time.Time) {
	r, o := inAlpha(t, env, "alert-hung", "--lane-capacity=5", "--workers=1")
	r.out.stall()
	for i := range 50 {
		o.create(fmt.Sprint("o-", i))
	}
	const metric = "fairlead_backpressure_seconds_total"
	before := r.awaitScrape("its lane is full", func(s *scrape) bool { return s.total(metric, "") > 0 })
	return r.goesOnAs(before, "for a second", growsBy(before, metric, 1))
}

func alertOnSinkBehind(t *testing.T, env *testenv.Env) (*story, time.Time) {
	r, o := inAlpha(t, env, "alert-behind", "--lane-capacity=5", "--workers=1", "--sink=stdout:", "--sink="+receiver(t, "").URL)
	r.out.stall()
	for i := range 50 {
		o.create(fmt.Sprint("o-", i))
	}
	const metric = "fairlead_route_behind_seconds"
	before := r.awaitScrape("it is behind", func(s *scrape) bool { return s.total(metric, "stdout") > 0 })
	return r.goesOnAs(before, "for a second, and the other sink is not", func(s *scrape) bool {
		return s.total(metric, "stdout") >= 1 && s.total("fairlead_route_changes_unacked", `route="http`) == 0
	})
}

func alertOnMemory(t *testing.T, _ *testenv.Env) (*story, time.Time) {
	const members, objects, size = 12, 12, 1 << 20
	var all []testenv.Target
	for i := range members {
		h := testenv.StartHostile(t, fmt.Sprint("m-", i)) // it tells no lies
		for j := range objects {
			h.Put("configmaps", "default", fmt.Sprint("o-", j), map[string]any{"data": map[string]any{"k": strings.Repeat("x", size)}})
		}
		all = append(all, h)
	}
	out := newRecorder()
	out.stall()
	r := startWith(t, Options{}, out, "--clusters=kubeconfig:"+writeKubeconfig(t, all...), "--watch=configmaps", "--memory-budget=49Mi", "--drain-timeout=0s")
	s := r.awaitScrape("lanes wait for memory", shows("fairlead_memory_budget_waiting_lanes", ""))
	return r.goesOnAs(s, "they still do", shows("fairlead_memory_budget_waiting_lanes", ""))
}

func alertOnFullVolume(t *testing.T, env *testenv.Env) (*story, time.Time) {
	o := newObjects(t, env.Cluster("alpha"), "alert-volume")
	dir := t.TempDir()
	p := startKeeper(t, "limit", dir, "--clusters=kubeconfig:"+writeKubeconfig(t, env.Cluster("alpha")), "--watch=configmaps?namespace="+o.namespace,
		"--ledger="+filepath.Join(dir, "ledger"), "--metrics-bind-address=127.0.0.1:0", "--health-probe-bind-address=127.0.0.1:0", "--admin-bind-address=0")
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
		o.create(fmt.Sprintf("grows-%d-%s", n, strings.Repeat("x", 200)))
	}
	_, text := p.try(p.metrics, "/metrics")
	families := must(parserOfText().TextToMetricFamilies(strings.NewReader(text)))(t)
	s := &scrape{at: time.Now(), values: map[string]float64{}}
	for _, f := range families {
		for name, value := range scrapeOf(listOf(f)).values {
			s.values[name] = value
		}
	}
	p.do("space")
	p.do("stop")
	return continued(s, s), s.at
}

func alertOnTooMany(t *testing.T, env *testenv.Env) (*story, time.Time) {
	r, o := inAlpha(t, env, "alert-many", "--max-objects=5")
	for i := range 10 {
		o.create(fmt.Sprint("o-", i))
	}
	s := r.awaitScrape("objects are left out", func(s *scrape) bool {
		return s.total("fairlead_objects_left_out", "") > 0 && s.total("fairlead_stream_state", `state="waiting"`) == 1 && s.total("fairlead_route_changes_unacked", "") == 0
	})
	return continued(s, s), s.at
}

func alertOnGrowth(t *testing.T, env *testenv.Env) (*story, time.Time) {
	r := start(t, "--clusters=kubeconfig:"+writeKubeconfig(t, env.Cluster("alpha"), env.Cluster("beta")), "--watch=configmaps?namespace=default", "--metrics-max-clusters=1")
	r.await("both are live", func() bool { return r.streamsLive("alpha") && r.streamsLive("beta") })
	s := r.scrape()
	return continued(s, s), s.at
}
