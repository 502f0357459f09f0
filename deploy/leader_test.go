package deploy

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/apimachinery/pkg/util/yaml"
)

const (
	leaseRole  = "leader-election/lease.yaml"
	leasePatch = "leader-election/deployment-patch.yaml"
)

// patched returns the deployment as kubectl patch leaves it.
func patched(t *testing.T) *appsv1.Deployment {
	t.Helper()
	before, _ := pod(t)
	text, err := os.ReadFile(leasePatch)
	if err != nil {
		t.Fatal(err)
	}
	patch, err := yaml.ToJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	original, err := json.Marshal(before)
	if err != nil {
		t.Fatal(err)
	}
	merged, err := strategicpatch.StrategicMergePatch(original, patch, appsv1.Deployment{})
	if err != nil {
		t.Fatal(err)
	}
	// Strictly, as the other manifests: what the merge left over is a typo.
	objects, err := decode(merged)
	if err != nil {
		t.Fatal(err)
	}
	return objects[0].(*appsv1.Deployment)
}

func TestTwoPodsShareLeaseAndLedger(t *testing.T) {
	before, one := pod(t)
	d := patched(t)
	if *d.Spec.Replicas != 2 || d.Spec.Strategy.Type != appsv1.RollingUpdateDeploymentStrategyType || len(d.Spec.Template.Spec.Containers) != 1 {
		t.Fatalf("%d replicas, %s, %d containers", *d.Spec.Replicas, d.Spec.Strategy.Type, len(d.Spec.Template.Spec.Containers))
	}
	c := d.Spec.Template.Spec.Containers[0]
	if !slices.Contains(c.Args, "--leader-elect") {
		t.Error("without --leader-elect both would deliver")
	}
	// The rest is as with one pod.
	same := slices.DeleteFunc(slices.Clone(c.Args), func(a string) bool {
		return a == "--leader-elect" || strings.HasPrefix(a, "--ledger=")
	})
	if diff := cmp.Diff(one.Args, same); diff != "" {
		t.Errorf("other flags (-one pod +two):\n%s", diff)
	}
	c.Args = one.Args
	if diff := cmp.Diff(one, c); diff != "" {
		t.Errorf("the container (-one pod +two):\n%s", diff)
	}
	if diff := cmp.Diff(before.Spec.Template.Spec.SecurityContext, d.Spec.Template.Spec.SecurityContext); diff != "" {
		t.Errorf("security context (-one pod +two):\n%s", diff)
	}

	claim := only[*corev1.PersistentVolumeClaim](t, "leader-election/volume.yaml")
	mount := slices.IndexFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool {
		return strings.HasPrefix(flagOf(t, d.Spec.Template.Spec.Containers[0], "ledger"), m.MountPath+"/")
	})
	if mount < 0 {
		t.Fatal("the ledger is on no volume")
	}
	want := corev1.Volume{Name: c.VolumeMounts[mount].Name, VolumeSource: corev1.VolumeSource{
		PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim.Name},
	}}
	if !slices.ContainsFunc(d.Spec.Template.Spec.Volumes, func(v corev1.Volume) bool { return cmp.Equal(v, want) }) {
		t.Errorf("the ledger's volume is none that both pods see: %+v", d.Spec.Template.Spec.Volumes)
	}
	if len(d.Spec.Template.Spec.Volumes) != len(before.Spec.Template.Spec.Volumes) {
		t.Errorf("volumes %+v", d.Spec.Template.Spec.Volumes)
	}
}

func TestLeaseRoleIsNarrow(t *testing.T) {
	account, role, binding := only[*corev1.ServiceAccount](t, hubRBAC), only[*rbacv1.Role](t, leaseRole), only[*rbacv1.RoleBinding](t, leaseRole)
	wantRules := []rbacv1.PolicyRule{
		{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: []string{"create"}},
		{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: []string{"get", "update"}, ResourceNames: []string{"fairlead"}},
	}
	if diff := cmp.Diff(wantRules, role.Rules); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
	want := []rbacv1.Subject{{Kind: "ServiceAccount", Name: account.Name, Namespace: account.Namespace}}
	if diff := cmp.Diff(want, binding.Subjects); diff != "" || binding.RoleRef.Name != role.Name || binding.RoleRef.Kind != "Role" {
		t.Errorf("the binding does not give the role to the account: %v to %v", binding.RoleRef, binding.Subjects)
	}
}
