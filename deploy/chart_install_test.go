package deploy

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/internal/testhelm"
	"github.com/fairlead-dev/fairlead/internal/testkubelet"
)

// release is a release of a chart in a cluster, and who makes it.
type release struct {
	*operator

	program string
}

// restrictedNamespace is how the page has the namespace made.
const restrictedNamespace = `kubectl create namespace fairlead
kubectl label namespace fairlead pod-security.kubernetes.io/enforce=restricted
`

// newRelease makes the namespace, restricted, as docs/install.md says.
func newRelease(t *testing.T, hub *testenv.Cluster) *release {
	t.Helper()
	chartFiles(t)
	r := &release{operator: newOperator(t, hub, applyServerSide), program: testhelm.Require(t)}
	for command := range strings.Lines(restrictedNamespace) {
		if !strings.Contains(read(t, installPage), strings.TrimSpace(command)) {
			t.Errorf("%s does not say %s", installPage, command)
		}
		r.kubectl(strings.Fields(command)[1:]...)
	}
	return r
}

// helm runs a command on the release.
func (r *release) helm(command, values string, args ...string) string {
	r.t.Helper()
	return r.helmBy(r.program, command, values, args...)
}

// helmBy is helm by another Helm.
func (r *release) helmBy(program, command, values string, args ...string) string {
	r.t.Helper()
	args = append([]string{command, "fairlead"}, args...)
	if values != "" {
		file := filepath.Join(r.t.TempDir(), "values.yaml")
		if err := os.WriteFile(file, []byte(values), 0o600); err != nil {
			r.t.Fatal(err)
		}
		args = append(args, "--values="+file)
	}
	text, err := testhelm.Run(r.ctx, program, append(args, "--namespace=fairlead", "--kubeconfig="+r.kubeconfig)...)
	if err != nil {
		r.t.Fatal(err)
	}
	return string(text)
}

const firstValues = `
config:
  watches: ["configmaps?namespace=default"]
  routes: ["file:/var/lib/fairlead/changes.jsonl"]
  clusterQps: 150
rbac: {readHub: true}
leaderElection: {enabled: true}
crds: {enabled: true}
createNamespaces: true
`

// lastValues are those of the release that is removed: all that makes objects beside it.
var lastValues = strings.ReplaceAll(firstValues, "clusterQps: 150", "memberStatus: fairlead-members") + "fleet: {secrets: {enabled: true}}\n"

// firstChart is the chart as it was first, packed.
const firstChart = "testdata/before/charts/fairlead-0.1.0.tgz"

// What the chart installs runs; an upgrade, also from the first chart by the Helm before,
// keeps the ledger, the fleet and what was decided; what is removed leaves nothing but the
// ledger, and CRDs and namespaces with what is in them; and a release that is installed
// again goes on from there.
func TestChartIsInstalledUpgradedAndRemoved(t *testing.T) {
	hub := testenv.Start(t, testenv.Spec{Name: "hub"}).Clusters[0]
	r := newRelease(t, hub)
	node := testkubelet.Start(t, hub.Config())
	before := r.objects()
	r.helmBy(testhelm.Require3(t), "install", firstValues, firstChart)
	r.createsFleet("hub", "paris")
	r.configMap("a")
	r.configMap("b")
	kubelet := newKubelet(t, hub, r.client)
	first := kubelet.start(r.ctx, t)
	first.await("a", is("a"))
	first.await("b", is("b"))
	first.stop()
	installed := r.state()
	r.helm("upgrade", firstValues, "charts/fairlead")
	if diff := cmp.Diff(installed, r.state()); diff != "" {
		t.Errorf("this chart in place of the first one (-before +after):\n%s", diff)
	}
	claim, pods := installed.Claim, r.template()

	// What the program reads again replaces no Pod.
	r.helm("upgrade", strings.ReplaceAll(firstValues, "clusterQps: 150", "clusterQps: 160"), "charts/fairlead", "--server-side=true")
	if diff := cmp.Diff(pods, r.template()); diff != "" {
		t.Errorf("another limit replaces the Pods (-before +after):\n%s", diff)
	}
	r.helm("upgrade", strings.ReplaceAll(firstValues, "rbac:", "image: {tag: v0.3.0}\nrbac:")+"fleet: {secrets: {enabled: true}}\n", "charts/fairlead", "--server-side=true")
	after := r.state()
	if after.Claim != claim || after.Image != "fairlead:v0.3.0" || !slices.Equal(after.Fleet, []string{"hub", "paris"}) || after.Replicas != 2 {
		t.Errorf("after the upgrade: %+v, claim before %s", after, claim)
	}
	if cmp.Equal(pods.Annotations, r.template().Annotations) {
		t.Error("another fleet, which is read at the start only, does not replace the Pods")
	}
	r.goesOn(kubelet)
	r.refusesWhatIsNotRestricted()

	r.helm("upgrade", lastValues, "charts/fairlead", "--server-side=true")
	leading := kubelet.start(r.ctx, t)
	r.configMap("d")
	leading.await("d", is("d"))
	r.awaits("the objects of members", func() bool {
		return slices.Contains(r.objects(), "memberclusters fairlead-members/hub") && slices.Contains(r.objects(), "memberclusters fairlead-members/paris")
	})
	if printed := r.uninstall(kubelet, node, leading); !strings.Contains(printed, "Deleted the Lease fairlead/fairlead") {
		t.Errorf("Helm does not print what becomes of the Lease:\n%s", printed)
	}
	var left []string
	for _, object := range r.objects() {
		if !slices.Contains(before, object) {
			left = append(left, object)
		}
	}
	want := []string{
		"customresourcedefinitions memberclusters.fairlead.dev",
		"customresourcedefinitions records.records.fairlead.dev",
		"memberclusters fairlead-members/hub",
		"memberclusters fairlead-members/paris",
		"namespaces fairlead-clusters",
		"namespaces fairlead-members",
		"persistentvolumeclaims fairlead/fairlead-data",
		"secrets fairlead/fairlead-fleet", // the operator's
	}
	if diff := cmp.Diff(want, left); diff != "" {
		t.Errorf("what is left (-want +got):\n%s", diff)
	}
	r.helm("install", firstValues+"fleet: {secrets: {enabled: true}}\n", "charts/fairlead", "--server-side=true")
	if again := r.state().Claim; again != claim {
		t.Errorf("installed again, the ledger is on %s, not on %s", again, claim)
	}
	// A leader by the new Lease is a later one to the ledger, which knows what was delivered.
	r.configMap("e")
	next := kubelet.start(r.ctx, t)
	known := len(leading.events())
	next.await("e", is("e"))
	next.stop()
	if again := slices.IndexFunc(next.events()[known:], is("a")); again >= 0 {
		t.Errorf("a is delivered again:\n%s", read(t, next.log))
	}
}

// From the manifests to the chart, as the page says: ledger and fleet stay, and what was
// deleted meanwhile is delivered.
func TestFromManifestsToChart(t *testing.T) {
	hub := testenv.Start(t, testenv.Spec{Name: "hub"}).Clusters[0]
	r := newRelease(t, hub)
	r.applies(own)
	r.createsFleet("hub")
	r.configMap("a")
	r.configMap("b")
	kubelet := newKubelet(t, hub, r.client)
	first := kubelet.start(r.ctx, t)
	first.await("a", is("a"))
	first.await("b", is("b"))
	first.stop()
	before := r.state()
	if err := r.client.AppsV1().Deployments("fairlead").Delete(r.ctx, "fairlead", metav1.DeleteOptions{PropagationPolicy: new(metav1.DeletePropagationBackground)}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(read(t, installPage), "--take-ownership --force-conflicts") {
		t.Errorf("%s says something else", installPage)
	}
	r.helm("install", firstValues, "charts/fairlead", "--take-ownership", "--force-conflicts")
	if after := r.state(); after.Claim != before.Claim || !slices.Equal(after.Fleet, before.Fleet) {
		t.Errorf("before %+v, after %+v", before, after)
	}
	r.goesOn(kubelet)
}

// template returns the Deployment's Pods.
func (o *operator) template() corev1.PodTemplateSpec { return o.deployment().Spec.Template }

func (o *operator) deployment() *appsv1.Deployment {
	o.t.Helper()
	d, err := o.client.AppsV1().Deployments("fairlead").Get(o.ctx, "fairlead", metav1.GetOptions{})
	if err != nil {
		o.t.Fatal(err)
	}
	return d
}

// objects returns what the cluster holds that this test has made, or may have: by
// resource, namespace and name.
func (o *operator) objects() []string {
	o.t.Helper()
	lists, err := o.client.Discovery().ServerPreferredResources()
	if err != nil {
		o.t.Fatal(err)
	}
	var found []string
	for _, list := range lists {
		for _, resource := range list.APIResources {
			if !slices.Contains(resource.Verbs, "list") || slices.Contains([]string{"events", "componentstatuses", "apiservices", "endpoints", "endpointslices"}, resource.Name) {
				continue
			}
			group, err := schema.ParseGroupVersion(list.GroupVersion)
			if err != nil {
				o.t.Fatal(err)
			}
			all, err := o.dynamic.Resource(group.WithResource(resource.Name)).List(o.ctx, metav1.ListOptions{})
			if apierrors.IsNotFound(err) || apierrors.IsMethodNotSupported(err) {
				continue // a CRD that is just being served
			}
			if err != nil {
				o.t.Fatalf("list %s: %v", resource.Name, err)
			}
			for _, item := range all.Items {
				// No controller runs that would finish a deletion.
				if item.GetDeletionTimestamp() != nil || ofServer(resource.Name, item.GetNamespace(), item.GetName()) {
					continue
				}
				name := item.GetName()
				if item.GetNamespace() != "" {
					name = item.GetNamespace() + "/" + name
				}
				found = append(found, resource.Name+" "+name)
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// ofServer reports whether the API server makes an object by itself, at some time.
func ofServer(resource, namespace, name string) bool {
	return slices.Contains([]string{"ipaddresses", "servicecidrs", "flowschemas", "prioritylevelconfigurations"}, resource) ||
		namespace == "default" || strings.HasPrefix(namespace, "kube-") ||
		name == "kube-root-ca.crt" || strings.HasPrefix(name, "system:") || strings.HasPrefix(name, "kube-")
}
