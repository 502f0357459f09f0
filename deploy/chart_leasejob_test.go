package deploy

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/fairlead-dev/fairlead/internal/testhelm"
)

// The Job that deletes the Lease, and what it needs, is there where the lock is a Lease and
// the release makes roles, and all of it is a hook.
func TestLeaseJobIsMadeForALease(t *testing.T) {
	chartFiles(t)
	helm := testhelm.Require(t)
	own := []string{"Job fairlead/fairlead-uninstall", "NetworkPolicy fairlead/fairlead-uninstall", "Role fairlead/fairlead-uninstall", "RoleBinding fairlead/fairlead-uninstall", "ServiceAccount fairlead/fairlead-uninstall"}
	elsewhere := append(slices.Clone(own), "Role platform/fairlead-uninstall", "RoleBinding platform/fairlead-uninstall")
	slices.Sort(elsewhere)
	for values, want := range map[string][]string{
		"leaderElection: {enabled: true}":                                           own,
		"leaderElection: {enabled: true}\nnetworkPolicy: {enabled: false}":          slices.DeleteFunc(slices.Clone(own), func(o string) bool { return strings.HasPrefix(o, "NetworkPolicy") }),
		"leaderElection: {enabled: true, lock: \"lease:platform/events?x=y\"}":      elsewhere,
		"leaderElection: {enabled: true, lock: \"postgres://db.example/locks\"}":    nil,
		"leaderElection: {enabled: true, deleteLease: false}":                       nil,
		"{leaderElection: {enabled: true}, rbac: {create: false}}":                  nil,
		"leaderElection: {enabled: false}":                                          nil,
		"config: {leaderElect: true, watches: [configmaps], routes: [\"stdout:\"]}": own,
	} {
		var made []string
		for _, object := range hooks(t, helm, values) {
			made = append(made, object.GetKind()+" "+object.GetNamespace()+"/"+object.GetName())
		}
		slices.Sort(made)
		if diff := cmp.Diff(want, made); diff != "" {
			t.Errorf("%s: what Helm makes after the removal (-want +got):\n%s", values, diff)
		}
	}
}

// hooks returns what a chart makes for after its removal.
func hooks(t *testing.T, helm, values string) (found []*unstructured.Unstructured) {
	t.Helper()
	for _, object := range withHooks(t, helm, values) {
		if object.GetAnnotations()["helm.sh/hook"] == "post-delete" {
			found = append(found, object)
		}
	}
	return found
}

func withHooks(t *testing.T, helm, values string) []*unstructured.Unstructured {
	t.Helper()
	dir := t.TempDir()
	writeFiles(t, dir, map[string][]byte{"values.yaml": []byte(values)})
	text, err := testhelm.Run(t.Context(), helm, "template", "fairlead", "charts/fairlead", "--namespace=fairlead", "--values="+dir+"/values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return documents(t, text)
}

// The Job waits for the Pods of the Deployment and not for its own; its account may do what
// it needs and nothing else; and it reaches the API server where the release does.
func TestLeaseJobFitsTheRelease(t *testing.T) {
	chartFiles(t)
	const values = "nameOverride: events\nleaderElection: {enabled: true, lock: \"lease:platform/locks\"}\nnetworkPolicy: {egress: {hub: {cidrs: [10.0.0.1/32]}}}"
	var job *batchv1.Job
	var deployment *appsv1.Deployment
	var policies []*networkingv1.NetworkPolicy
	rules := map[string][]rbacv1.PolicyRule{}
	for _, object := range withHooks(t, testhelm.Require(t), values) {
		is := object.GetAnnotations()["helm.sh/hook"] == "post-delete"
		switch object.GetKind() {
		case "Job":
			job = typed[batchv1.Job](t, object)
		case "Deployment":
			deployment = typed[appsv1.Deployment](t, object)
		case "NetworkPolicy":
			if object.GetAnnotations()["helm.sh/hook"] != "test" {
				policies = append(policies, typed[networkingv1.NetworkPolicy](t, object))
			}
		case "Role":
			if is {
				rules[object.GetNamespace()] = typed[rbacv1.Role](t, object).Rules
			}
		case "RoleBinding":
			if bound := typed[rbacv1.RoleBinding](t, object); is && bound.Subjects[0] != (rbacv1.Subject{Kind: "ServiceAccount", Name: "fairlead-events-uninstall", Namespace: "fairlead"}) {
				t.Errorf("bound to %v", bound.Subjects)
			}
		}
	}
	want := map[string][]rbacv1.PolicyRule{
		"fairlead": {{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"list"}}},
		"platform": {{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, ResourceNames: []string{"locks"}, Verbs: []string{"get", "delete"}}},
	}
	if diff := cmp.Diff(want, rules); diff != "" {
		t.Errorf("rights (-want +got):\n%s", diff)
	}
	pod, program := job.Spec.Template, deployment.Spec.Template
	if pod.Spec.ServiceAccountName != "fairlead-events-uninstall" || !*pod.Spec.AutomountServiceAccountToken {
		t.Errorf("the Job runs as %s", pod.Spec.ServiceAccountName)
	}
	if diff := cmp.Diff([]any{program.Spec.SecurityContext, program.Spec.Containers[0].SecurityContext, program.Spec.Containers[0].Image},
		[]any{pod.Spec.SecurityContext, pod.Spec.Containers[0].SecurityContext, pod.Spec.Containers[0].Image}); diff != "" {
		t.Errorf("not as the program's (-program +Job):\n%s", diff)
	}
	args := pod.Spec.Containers[0].Args
	if args[2] != "platform/locks" || !slices.Contains(args, "--pod-namespace=fairlead") {
		t.Errorf("arguments %v", args)
	}
	selector, err := labels.Parse(flagOf(t, pod.Spec.Containers[0], "selector"))
	if err != nil {
		t.Fatal(err)
	}
	own, its := labels.Set(program.Labels), labels.Set(pod.Labels)
	if !selector.Matches(own) || selector.Matches(its) || labels.SelectorFromSet(deployment.Spec.Selector.MatchLabels).Matches(its) {
		t.Errorf("the Job waits for Pods with %v, the program's have %v, its own %v", selector, own, its)
	}
	if len(policies) != 2 {
		t.Fatalf("%d policies", len(policies))
	}
	var egress [][]networkingv1.NetworkPolicyEgressRule
	for _, policy := range policies {
		is := labels.SelectorFromSet(policy.Spec.PodSelector.MatchLabels)
		if is.Matches(own) == is.Matches(its) {
			t.Errorf("the policy %s is for %v", policy.Name, is)
		}
		egress = append(egress, policy.Spec.Egress)
	}
	if diff := cmp.Diff(egress[0], egress[1]); diff != "" {
		t.Errorf("what the Job and the program reach:\n%s", diff)
	}
}

// typed returns an object as what it is.
func typed[T any](t *testing.T, object *unstructured.Unstructured) *T {
	t.Helper()
	is := new(T)
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, is); err != nil {
		t.Fatal(err)
	}
	return is
}
