package deploy

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

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
