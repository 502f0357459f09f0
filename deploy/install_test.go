package deploy

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/fairlead-dev/fairlead/internal/testenv"
)

// own is an operator's kustomization, and what it changes later.
const own = `
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [DEPLOY/base]
components: [DEPLOY/components/member-role, DEPLOY/components/leader-election]
images: [{name: fairlead, newName: registry.example/fairlead, newTag: v0.2.0}]
configMapGenerator:
- name: fairlead-flags
  namespace: fairlead
  behavior: merge
  literals:
  - watch=configmaps?namespace=default
  - sink=file:/var/lib/fairlead/changes.jsonl
patches:
- target: {kind: Deployment, name: fairlead}
  patch: |-
    - {op: add, path: /spec/template/spec/containers/0/args/-, value: --cluster-qps=150}
`

// eachApplier runs a test for each way to apply, in a cluster of its own.
func eachApplier(t *testing.T, test func(o *operator, hub *testenv.Cluster)) {
	t.Helper()
	for name, apply := range appliers {
		t.Run(name, func(t *testing.T) {
			hub := testenv.Start(t, testenv.Spec{Name: "hub"}).Clusters[0]
			test(newOperator(t, hub, apply), hub)
		})
	}
}

// What an operator has decided and what the program has written stay, whatever is
// applied again.
func TestInstallAgain(t *testing.T) {
	eachApplier(t, func(o *operator, hub *testenv.Cluster) {
		t := o.t
		o.applies(own)
		o.createsFleet("hub", "paris")
		o.configMap("a")
		o.configMap("b")
		kubelet := newKubelet(t, hub, o.client)
		first := kubelet.start(o.ctx, t)
		first.await("a", is("a"))
		first.await("b", is("b"))
		first.stop()
		before := o.state()

		o.applies(own)
		if diff := cmp.Diff(before, o.state()); diff != "" {
			t.Errorf("applied again (-before +after):\n%s", diff)
		}

		o.replacesFleet("hub", "rome")
		changed := strings.ReplaceAll(own, "cluster-qps=150", "cluster-qps=160")
		o.applies(changed)
		o.applies(strings.ReplaceAll(changed, "v0.2.0", "v0.3.0")) // the next version
		after := o.state()
		want := before
		want.Fleet, want.Image = []string{"hub", "rome"}, "registry.example/fairlead:v0.3.0"
		want.Flags = strings.Split(strings.ReplaceAll(strings.Join(before.Flags, "\n"), "cluster-qps=150", "cluster-qps=160"), "\n")
		if diff := cmp.Diff(want, after); diff != "" {
			t.Errorf("after changes and the next version (-want +got):\n%s", diff)
		}
		o.goesOn(kubelet)
		o.refusesWhatIsNotRestricted()
	})
}

// goesOn deletes b while no Pod runs, and expects the next Pod to go on from the
// ledger that the last one has left.
func (o *operator) goesOn(k *kubelet) {
	t := o.t
	t.Helper()
	if err := o.client.CoreV1().ConfigMaps("default").Delete(o.ctx, "b", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	o.configMap("c")
	next := k.start(o.ctx, t)
	known := slices.IndexFunc(next.events(), is("a")) + 1
	if known == 0 {
		t.Fatal("the volume is not that of the last Pod")
	}
	next.await("b is deleted", func(e event) bool { return is("b")(e) && e.Type == "dev.fairlead.resource.deleted.v1" })
	next.await("c", is("c"))
	next.stop()
	if again := slices.IndexFunc(next.events()[known:], is("a")); again >= 0 {
		t.Errorf("a is delivered again: the ledger is not that of the last Pod:\n%s", read(t, next.log))
	}
}

func is(name string) func(event) bool {
	return func(e event) bool { return e.Cluster == "hub" && e.Kind == "ConfigMap" && e.Name == name }
}

// refusesWhatIsNotRestricted shows that the namespace would not have let in any Pod.
func (o *operator) refusesWhatIsNotRestricted() {
	o.t.Helper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "root", Namespace: "fairlead"},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "i"}}},
	}
	if _, err := o.client.CoreV1().Pods("fairlead").Create(o.ctx, pod, metav1.CreateOptions{}); !apierrors.IsForbidden(err) {
		o.t.Errorf("a Pod that is not restricted: %v", err)
	}
}

var beforeHub = []string{
	"kubernetes/namespace.yaml", "kubernetes/deployment.yaml", "kubernetes/fleet-secret.yaml",
	"kubernetes/rbac.yaml", "kubernetes/service.yaml",
}

// From two Pods of the version before, as its pages said, to this one: fleet and
// ledger stay.
func TestUpgradeOfTwoPods(t *testing.T) {
	eachApplier(t, func(o *operator, hub *testenv.Cluster) {
		t := o.t
		flags := map[string]string{`"--sink=stdout:"`: "--sink=file:/var/lib/fairlead/changes.jsonl", "--watch=configmaps,deployments.apps": "--watch=configmaps?namespace=default"}
		o.appliesFiles(flags, append(beforeHub, "leader-election/lease.yaml", "leader-election/volume.yaml")...)
		o.appliesFleet("hub", "paris")
		patch := read(t, "testdata/before/leader-election/deployment-patch.yaml")
		for from, to := range flags {
			patch = strings.ReplaceAll(patch, from, to)
		}
		text, err := yaml.ToJSON([]byte(patch))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := o.client.AppsV1().Deployments("fairlead").Patch(o.ctx, "fairlead", types.StrategicMergePatchType, text, metav1.PatchOptions{FieldManager: "kubectl-patch"}); err != nil {
			t.Fatal(err)
		}
		o.configMap("a")
		o.configMap("b")
		kubelet := newKubelet(t, hub, o.client)
		first := kubelet.start(o.ctx, t)
		first.await("a", is("a"))
		first.await("b", is("b"))
		first.stop()
		before := o.state()

		o.upgrades(own)
		after := o.state()
		if diff := cmp.Diff(before.Fleet, after.Fleet); diff != "" {
			t.Errorf("the fleet (-before +after):\n%s", diff)
		}
		if before.Claim == "" || before.Claim != after.Claim || after.Replicas != 2 {
			t.Errorf("before %+v, after %+v", before, after)
		}
		if !slices.Contains(after.Flags, "--leader-elect") || !slices.Contains(after.Flags, "--cluster-qps=150") || slices.Contains(after.Flags, "--watch=configmaps,deployments.apps") {
			t.Errorf("flags %v", after.Flags)
		}
		o.goesOn(kubelet)
	})
}

// From one Pod of the version before, whose ledger ended with it, to this one; and from
// there to two Pods and back.
func TestUpgradeOfOnePod(t *testing.T) {
	eachApplier(t, func(o *operator, _ *testenv.Cluster) {
		t := o.t
		o.appliesFiles(nil, beforeHub...)
		o.appliesFleet("hub", "paris")
		one := strings.ReplaceAll(own, ", DEPLOY/components/leader-election", "")
		o.upgrades(one)
		after := o.state()
		if diff := cmp.Diff([]string{"hub", "paris"}, after.Fleet); diff != "" {
			t.Errorf("the fleet (-want +got):\n%s", diff)
		}
		if after.Claim == "" || after.Volumes != 2 || after.Replicas != 1 {
			t.Errorf("%+v", after)
		}
		o.replacesFleet("hub", "rome")
		after.Fleet = o.fleet()
		if diff := cmp.Diff([]string{"hub", "rome"}, after.Fleet); diff != "" {
			t.Errorf("the fleet, replaced (-want +got):\n%s", diff)
		}
		// An access mode cannot be changed.
		shared := `
- target: {kind: PersistentVolumeClaim, name: fairlead-data}
  patch: |-
    - {op: replace, path: /spec/accessModes, value: [ReadWriteOnce]}
`
		o.applies(own + shared)
		two := o.state()
		if two.Claim != after.Claim || two.Replicas != 2 || two.Volumes != 2 {
			t.Errorf("%+v", two)
		}
		o.applies(one)
		back := o.state()
		if diff := cmp.Diff(after, back); diff != "" {
			t.Errorf("to two Pods and back (-before +after):\n%s", diff)
		}
		d, err := o.client.AppsV1().Deployments("fairlead").Get(o.ctx, "fairlead", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if d.Spec.Strategy.Type != appsv1.RecreateDeploymentStrategyType {
			t.Errorf("strategy %+v", d.Spec.Strategy)
		}
	})
}
