package app

import (
	"fmt"
	"net/http"
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
			s.total("fairlead_stream_state", `resource="services",state="waiting"`) == 1 &&
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
