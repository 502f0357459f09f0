package deploy

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestTyposAreFound(t *testing.T) {
	for _, text := range []string{
		"apiVersion: v1\nkind: Service\nspec: {port: []}",
		"apiVersion: v1\nkind: Service\nspec: {}\nspec: {}",
		"apiVersion: v1\nkind: Deployment",
	} {
		if _, err := decode([]byte(text)); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}

// Applying a folder again must change nothing that an operator or the program has
// put there: so no folder holds the fleet's Secret, nor any other, what is written
// is on a claim, and each file is whole, not a patch that only works elsewhere.
func TestApplyingDestroysNothing(t *testing.T) {
	for path, objects := range manifests(t, ".") {
		for _, o := range objects {
			if _, secret := o.(*corev1.Secret); secret && !strings.HasPrefix(path, "testdata/") {
				t.Errorf("%s: a Secret, whose content an operator decides", path)
			}
		}
	}
	for path := range files(t, ".") {
		if strings.HasSuffix(path, "-patch.yaml") && !strings.HasPrefix(path, "components/") && !strings.HasPrefix(path, "testdata/") {
			t.Errorf("%s: a patch in a folder that is applied", path)
		}
	}
	for _, folder := range withCharts(slices.Concat(hubFolders, memberFolders)...) {
		for _, o := range render(t, folder) {
			if secret, ok := o.(*corev1.Secret); ok {
				t.Errorf("%s makes Secret %s", folder, secret.Name)
			}
		}
	}
	for _, folder := range withCharts(hubFolders...) {
		d, c := pod(t, folder)
		ledger := mountOf(t, c, flagOf(t, c, "ledger"))
		i := slices.IndexFunc(d.Spec.Template.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == ledger.Name })
		claim := d.Spec.Template.Spec.Volumes[i].PersistentVolumeClaim
		if claim == nil {
			t.Fatalf("%s: the ledger is on %+v, which ends with the Pod", folder, d.Spec.Template.Spec.Volumes[i])
		}
		if pvc := named[*corev1.PersistentVolumeClaim](t, folder, claim.ClaimName); pvc.Namespace != d.Namespace {
			t.Errorf("%s: claim %s is in namespace %s", folder, pvc.Name, pvc.Namespace)
		}
	}
}

// mountOf returns the mount that a path is on.
func mountOf(t *testing.T, c corev1.Container, path string) corev1.VolumeMount {
	t.Helper()
	i := slices.IndexFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return strings.HasPrefix(path, m.MountPath+"/") })
	if i < 0 {
		t.Fatalf("%s is on no volume", path)
	}
	return c.VolumeMounts[i]
}

// kubectl applies what it gets in that order, and makes no namespace by itself.
func TestNamespacesComeFirst(t *testing.T) {
	for _, folder := range withCharts(slices.Concat(hubFolders, memberFolders)...) {
		made := map[string]bool{"": true}
		for _, o := range render(t, folder) {
			if ns, ok := o.(*corev1.Namespace); ok {
				made[ns.Name] = true
			}
			if m := o.(metav1.Object); !made[m.GetNamespace()] {
				t.Errorf("%s: %s %s comes before its namespace %q", folder, o.GetObjectKind().GroupVersionKind().Kind, m.GetName(), m.GetNamespace())
			}
		}
	}
}

// Every file belongs to something that is rendered and tested.
func TestNoFileIsLeftOver(t *testing.T) {
	all := files(t, ".")
	for path := range all {
		if strings.HasPrefix(path, "testdata/") || strings.Contains(path, "/fleet/") || filepath.Base(path) == "kustomization.yaml" {
			continue
		}
		if !strings.Contains(string(all[filepath.ToSlash(filepath.Join(filepath.Dir(path), "kustomization.yaml"))]), filepath.Base(path)) {
			t.Errorf("%s is in no kustomization", path)
		}
	}
}
