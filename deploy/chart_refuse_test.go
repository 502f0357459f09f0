package deploy

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/fairlead-dev/fairlead/internal/testhelm"
)

// Values that would do something else than what is meant are refused, and the error says
// what to do.
func TestChartsRefuse(t *testing.T) {
	chartFiles(t)
	helm := testhelm.Require(t)
	for name, tc := range map[string]struct{ values, want string }{
		"a key that there is not":      {"replicas: 2", "replicas"},
		"a key below another":          {"fleet: {existingsecret: a}", "existingsecret"},
		"a key of the file":            {"config: {clusterQPS: 3}", "clusterQPS"},
		"two Pods that both deliver":   {"replicaCount: 2", "leaderElection.enabled=true"},
		"a short name":                 {"config: {watches: [po]}\nrbac: {readHub: true}", "deployments.apps"},
		"no group":                     {"config: {watches: [pods, deployments]}\nrbac: {readHub: true}", "deployments.apps"},
		"a right in the whole cluster": {"config: {watches: [pods]}\nrbac: {readHub: true, scope: namespace}", "rbac.scope=cluster"},
		"a digest that is none":        {"image: {digest: abc}", "digest"},
		"credentials without a Secret": {"credentials: [{name: a}]", "existingSecret"},
		"a folder outside":             {"credentials: [{name: ../a, existingSecret: a}]", "pattern"},
		"profiles without commands":    {"fleet: {clusterprofiles: {enabled: true}}", "accessProviders"},
		"a port that is none":          {"networkPolicy: {egress: {dnsPorts: [0]}}", "dnsPorts"},
		"probes of no port":            {`config: {healthProbeBindAddress: "0"}`, "set livenessProbe to null"},
		"a monitor of nothing":         {"config: {metricsBindAddress: \"0\"}\npodMonitor: {enabled: true}", "podMonitor.enabled has nothing to read"},
		"too short a time to end":      {"config: {drainTimeout: 1m30.5s}\nterminationGracePeriodSeconds: 125", "the Pod needs 126"},
		"an alert that there is not":   {"prometheusRule: {enabled: true, for: {FairleadDwon: 1h}}", "prometheusRule.for: there is no alert FairleadDwon; there are FairleadDown, "},
		"a severity of no alert":       {"prometheusRule: {enabled: true, severities: {Down: page}}", "prometheusRule.severities: there is no alert Down"},
		"a switch of no alert":         {"prometheusRule: {enabled: true, disabled: [Down]}", "prometheusRule.disabled: there is no alert Down"},
		"a share of more than all":     {"prometheusRule: {thresholds: {ledgerShare: 90}}", "ledgerShare"},
		"a share of no time":           {"prometheusRule: {thresholds: {laneFullShare: 0}}", "laneFullShare"},
		"a drain that is no time":      {"config: {drainTimeout: soon}", "no duration"},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := rendering{chart: "fairlead", values: tc.values}.template(t.Context(), helm)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("want an error with %q, got %v\n%s", tc.want, err, text)
			}
		})
	}
}

// The Pod of helm test is as restricted as that of the Deployment, and none of its Pods.
func TestPodOfHelmTestIsRestricted(t *testing.T) {
	chartFiles(t)
	text, err := testhelm.Run(t.Context(), testhelm.Require(t), "template", "fairlead", "charts/fairlead", "--namespace=fairlead", "--show-only=templates/tests/check.yaml")
	if err != nil {
		t.Fatal(err)
	}
	objects, err := decode(text)
	if err != nil {
		t.Fatal(err)
	}
	tests := pick[*corev1.Pod](t, "helm test", objects, "fairlead-test")
	d, c := pod(t, "chart/base")
	if got := tests.Spec.Containers[0]; got.Image != c.Image || got.Args[0] != "check" || got.SecurityContext == nil || *got.SecurityContext.ReadOnlyRootFilesystem != true {
		t.Errorf("%+v", got)
	}
	if got := tests.Spec.SecurityContext; got == nil || !*got.RunAsNonRoot || got.SeccompProfile == nil {
		t.Errorf("%+v", got)
	}
	selectsTest(t, d, tests.Labels)
}

// What helm test finds, the program finds: its Pod has the labels, annotations and places of the
// program's, and may talk to the same.
func TestPodOfHelmTestIsWhereTheProgramIs(t *testing.T) {
	chartFiles(t)
	r := matrix["pod"]
	r.values += `leaderElection: {enabled: true, label: true}
networkPolicy: {egress: {sinks: [{to: [{ipBlock: {cidr: 10.2.0.0/16}}], ports: [{port: 5432}]}]}}
`
	text, err := r.templateWith(t.Context(), testhelm.Require(t))
	if err != nil {
		t.Fatal(err)
	}
	objects, err := decode(text)
	if err != nil {
		t.Fatal(err)
	}
	d := pick[*appsv1.Deployment](t, "pod", objects, "fairlead")
	p := pick[*corev1.Pod](t, "pod", objects, "fairlead-test")
	selectsTest(t, d, p.Labels)
	of := d.Spec.Template
	if p.Labels["a"] != "b" || p.Annotations["a"] != "b" {
		t.Errorf("labels %v and annotations %v are not those of podLabels and podAnnotations", p.Labels, p.Annotations)
	}
	place := func(s corev1.PodSpec) corev1.PodSpec {
		return corev1.PodSpec{
			Affinity: s.Affinity, DNSConfig: s.DNSConfig, DNSPolicy: s.DNSPolicy, HostAliases: s.HostAliases, NodeSelector: s.NodeSelector,
			PriorityClassName: s.PriorityClassName, RuntimeClassName: s.RuntimeClassName, Tolerations: s.Tolerations,
			ImagePullSecrets: s.ImagePullSecrets, SecurityContext: s.SecurityContext, InitContainers: s.InitContainers,
			ServiceAccountName: s.ServiceAccountName, EnableServiceLinks: s.EnableServiceLinks,
		}
	}
	if diff := cmp.Diff(place(of.Spec), place(p.Spec)); diff != "" {
		t.Errorf("the Pod of the program and that of helm test (-program +test):\n%s", diff)
	}
	if diff := cmp.Diff(of.Spec.Containers[0].Env, p.Spec.Containers[0].Env); diff != "" {
		t.Errorf("the variables (-program +test):\n%s", diff)
	}
	program := pick[*networkingv1.NetworkPolicy](t, "pod", objects, "fairlead")
	test := pick[*networkingv1.NetworkPolicy](t, "pod", objects, "fairlead-test")
	if diff := cmp.Diff(program.Spec.Egress, test.Spec.Egress); diff != "" || len(program.Spec.Egress) != 3 {
		t.Errorf("whom they may talk to (-program +test):\n%s", diff)
	}
	for key, value := range test.Spec.PodSelector.MatchLabels {
		if p.Labels[key] != value {
			t.Errorf("the policy of the test selects %s=%s, its Pod has %v", key, value, p.Labels)
		}
	}
}

// Rights in the hub are of what the configuration file says in the end, whichever values say it:
// of namespaces of this hub, and not of another one.
func TestChartGrantsWhatTheFileNames(t *testing.T) {
	chartFiles(t)
	r := rendering{chart: "fairlead", values: `
createNamespaces: true
fleet: {existingSecret: "", secrets: {enabled: true, namespace: ignored}}
config:
  clusters: ["secrets:platform?x=y", {source: "clusterprofiles:inventory"}, {source: "secrets:*"}]
  clusterProfileAccessProviders: /plugins/providers.json
  watches: [pods]
  routes: ["hub:mine", "hub:a?install=true&kubeconfig=/hub.yaml", {sink: "hub:b", kubeconfig: /hub.yaml}]
`}
	text, err := r.template(t.Context(), testhelm.Require(t))
	if err != nil {
		t.Fatal(err)
	}
	objects, err := decode(text)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, o := range objects {
		switch o := o.(type) {
		case *rbacv1.Role:
			got = append(got, "Role "+o.Namespace+"/"+o.Name)
		case *rbacv1.ClusterRole:
			got = append(got, "ClusterRole "+o.Name)
		case *corev1.Namespace:
			got = append(got, "Namespace "+o.Name) // that of the release is not the chart's
		}
	}
	slices.Sort(got)
	want := []string{
		"ClusterRole fairlead-clusters", "Namespace fairlead", "Namespace mine", "Namespace platform",
		"Role inventory/fairlead-clusterprofiles", "Role mine/fairlead-records", "Role platform/fairlead-clusters",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// selectsTest fails if the Deployment, and so the Service, takes the Pod of a test for its
// own.
func selectsTest(t *testing.T, d *appsv1.Deployment, labels map[string]string) {
	t.Helper()
	for key, value := range d.Spec.Selector.MatchLabels {
		if labels[key] != value {
			return
		}
	}
	t.Errorf("%v selects the Pod of helm test, %v", d.Spec.Selector.MatchLabels, labels)
}
