package deploy

import (
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
	one.Args = append(one.Args, "--leader-elect")
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
