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
	before, one := pod(t, "base")
	d, c := pod(t, "leader-election")
	if *d.Spec.Replicas != 2 || d.Spec.Strategy.Type != appsv1.RollingUpdateDeploymentStrategyType {
		t.Errorf("%d replicas, %s", *d.Spec.Replicas, d.Spec.Strategy.Type)
	}
	// Without --leader-elect both would deliver. The rest is as with one Pod.
	one.Args = append(one.Args, "--leader-elect", "--advertise-address=$(POD_IP)")
	one.Env = append(one.Env, fieldOfPod("POD_IP", "status.podIP"))
	if diff := cmp.Diff(one, c); diff != "" {
		t.Errorf("the container (-one Pod +two):\n%s", diff)
	}
	spec := d.Spec.Template.Spec
	spec.TopologySpreadConstraints, spec.Containers = nil, before.Spec.Template.Spec.Containers
	if diff := cmp.Diff(before.Spec.Template.Spec, spec); diff != "" {
		t.Errorf("the Pod (-one +two):\n%s", diff)
	}
	claim := named[*corev1.PersistentVolumeClaim](t, "leader-election", "fairlead-data")
	if !slices.Equal(claim.Spec.AccessModes, []corev1.PersistentVolumeAccessMode{corev1.ReadWriteMany}) {
		t.Errorf("two nodes cannot mount a volume that is %v", claim.Spec.AccessModes)
	}
	budget := named[*policyv1.PodDisruptionBudget](t, "leader-election", "fairlead")
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
	_, two := pod(t, "leader-election")
	d, c := pod(t, "leader-label")
	two.Args = append(two.Args, "--leader-label=$(POD_NAMESPACE)/$(POD_NAME)")
	two.Env = append(two.Env, fieldOfPod("POD_NAMESPACE", "metadata.namespace"), fieldOfPod("POD_NAME", "metadata.name"))
	if diff := cmp.Diff(two, c); diff != "" {
		t.Errorf("the container (-without a label +with one):\n%s", diff)
	}
	want := maps.Clone(d.Spec.Selector.MatchLabels)
	want["fairlead.dev/role"] = "leader"
	service := named[*corev1.Service](t, "leader-label", "fairlead-leader")
	if diff := cmp.Diff(want, service.Spec.Selector); diff != "" {
		t.Errorf("what the Service selects (-want +got):\n%s", diff)
	}
	if _, ok := d.Spec.Template.Labels["fairlead.dev/role"]; ok {
		t.Error("every Pod begins with the leader's label")
	}
}
