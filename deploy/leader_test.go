package deploy

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
)

func TestTwoPodsShareLeaseAndLedger(t *testing.T) {
	for _, prefix := range []string{"", "chart/"} {
		t.Run(prefix+"leader-election", func(t *testing.T) { twoPodsShareLeaseAndLedger(t, prefix) })
	}
}

func twoPodsShareLeaseAndLedger(t *testing.T, prefix string) {
	t.Helper()
	before, one := pod(t, prefix+"base")
	d, c := pod(t, prefix+"leader-election")
	if *d.Spec.Replicas != 2 || d.Spec.Strategy.Type != appsv1.RollingUpdateDeploymentStrategyType {
		t.Errorf("%d replicas, %s", *d.Spec.Replicas, d.Spec.Strategy.Type)
	}
	// Without --leader-elect both would deliver. The rest is as with one Pod.
	one.Args = append(one.Args, "--leader-elect", "--advertise-address=$(POD_IP)")
	if prefix != "" { // two releases may share a namespace
		one.Args = append(one.Args, "--leader-election-id=fairlead")
	}
	slices.Sort(one.Args)
	slices.Sort(c.Args)
	one.Env = append(one.Env, fieldOfPod("POD_IP", "status.podIP"))
	if diff := cmp.Diff(one, c); diff != "" {
		t.Errorf("the container (-one Pod +two):\n%s", diff)
	}
	spec := d.Spec.Template.Spec
	spec.TopologySpreadConstraints, spec.Containers = nil, before.Spec.Template.Spec.Containers
	if diff := cmp.Diff(before.Spec.Template.Spec, spec); diff != "" {
		t.Errorf("the Pod (-one +two):\n%s", diff)
	}
	claim := named[*corev1.PersistentVolumeClaim](t, prefix+"leader-election", "fairlead-data")
	if !slices.Equal(claim.Spec.AccessModes, []corev1.PersistentVolumeAccessMode{corev1.ReadWriteMany}) {
		t.Errorf("two nodes cannot mount a volume that is %v", claim.Spec.AccessModes)
	}
	budget := named[*policyv1.PodDisruptionBudget](t, prefix+"leader-election", "fairlead")
	if diff := cmp.Diff(d.Spec.Selector, budget.Spec.Selector); diff != "" || budget.Spec.MinAvailable.IntValue() != 1 {
		t.Errorf("both Pods may be evicted at once: %+v", budget.Spec)
	}
}

// fieldOfPod is a variable that the downward API gives.
func fieldOfPod(name, path string) corev1.EnvVar {
	return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: path}}}
}

// The Service selects the Pods of the Deployment, of these the one with the label that
// the program sets, and the Pod is told which one it is.
func TestAServiceLeadsToTheLeader(t *testing.T) {
	for _, prefix := range []string{"", "chart/"} {
		t.Run(prefix+"leader-label", func(t *testing.T) { aServiceLeadsToTheLeader(t, prefix) })
	}
}

func aServiceLeadsToTheLeader(t *testing.T, prefix string) {
	t.Helper()
	_, two := pod(t, prefix+"leader-election")
	d, c := pod(t, prefix+"leader-label")
	two.Args = append(two.Args, "--leader-label=$(POD_NAMESPACE)/$(POD_NAME)")
	slices.Sort(two.Args)
	slices.Sort(c.Args)
	two.Env = append(two.Env, fieldOfPod("POD_NAMESPACE", "metadata.namespace"), fieldOfPod("POD_NAME", "metadata.name"))
	if diff := cmp.Diff(two, c); diff != "" {
		t.Errorf("the container (-without a label +with one):\n%s", diff)
	}
	want := maps.Clone(d.Spec.Selector.MatchLabels)
	want["fairlead.dev/role"] = "leader"
	service := named[*corev1.Service](t, prefix+"leader-label", "fairlead-leader")
	if diff := cmp.Diff(want, service.Spec.Selector); diff != "" {
		t.Errorf("what the Service selects (-want +got):\n%s", diff)
	}
	if _, ok := d.Spec.Template.Labels["fairlead.dev/role"]; ok {
		t.Error("every Pod begins with the leader's label")
	}
}
