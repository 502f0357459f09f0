package app

import (
	"fmt"
	"path/filepath"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/internal/testkubelet"
)

// fakeKubelet is what an API server forwards ports through, and reads logs from: the Pods of
// one namespace, which have no containers.
type fakeKubelet struct {
	t    *testing.T
	pods corev1client.PodInterface
	ns   string
	node *testkubelet.Node
	log  string // of each Pod
}

func newFakeKubelet(t *testing.T, c *testenv.Cluster, ns string) *fakeKubelet {
	t.Helper()
	core := must(corev1client.NewForConfig(c.Config()))(t)
	return &fakeKubelet{t: t, pods: core.Pods(ns), ns: ns, node: testkubelet.Start(t, c.Config())}
}

// run makes a Pod that runs, whose ports are all at an address.
func (k *fakeKubelet) run(name, address string, labels map[string]string) {
	k.t.Helper()
	log := filepath.Join(k.t.TempDir(), "log")
	writeFile(k.t, log, k.log)
	k.node.Run(k.ns, name, testkubelet.Process{Log: log, Address: address})
	pod := must(k.pods.Create(k.t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels},
		Spec:       corev1.PodSpec{NodeName: testkubelet.NodeName, Containers: []corev1.Container{{Name: "fairlead", Image: "fairlead"}}},
	}, metav1.CreateOptions{}))(k.t)
	pod.Status.Phase = corev1.PodRunning
	_ = must(k.pods.UpdateStatus(k.t.Context(), pod, metav1.UpdateOptions{}))(k.t)
}

// rename changes the name in the labels of all Pods that have one.
func (k *fakeKubelet) rename(name string) {
	k.t.Helper()
	const label = "app.kubernetes.io/name"
	list := must(k.pods.List(k.t.Context(), metav1.ListOptions{LabelSelector: label}))(k.t)
	for i := range list.Items {
		patch := fmt.Appendf(nil, `{"metadata":{"labels":{%q:%q}}}`, label, name)
		_ = must(k.pods.Patch(k.t.Context(), list.Items[i].Name, types.MergePatchType, patch, metav1.PatchOptions{}))(k.t)
	}
}
