package sources

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/sources/fleet"
	states "github.com/fairlead-dev/fairlead/sources/member"
)

// realCluster is a control plane with some ConfigMaps.
type realCluster struct {
	t       *testing.T
	cluster *testenv.Cluster
	client  *kubernetes.Clientset
	uid     string
}

func newRealCluster(t *testing.T, cluster *testenv.Cluster, names ...string) *realCluster {
	t.Helper()
	config := cluster.Config()
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	ns, err := client.CoreV1().Namespaces().Get(t.Context(), "kube-system", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		o := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}
		if _, err := client.CoreV1().ConfigMaps("default").Create(t.Context(), o, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	return &realCluster{t, cluster, client, string(ns.UID)}
}

// held returns what the server holds: UID by name.
func (c *realCluster) held() map[string]string {
	c.t.Helper()
	list, err := c.client.CoreV1().ConfigMaps("default").List(c.t.Context(), metav1.ListOptions{})
	if err != nil {
		c.t.Fatal(err)
	}
	held := map[string]string{}
	for _, o := range list.Items {
		held[o.Name] = string(o.UID)
	}
	return held
}

// await waits until ok holds.
func (h *harness) await(what string, ok func() bool) {
	h.t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	given := time.After(time.Minute)
	for !ok() {
		select {
		case <-again.C:
		case <-given:
			h.t.Fatalf("%s: did not come about; status: %+v", what, h.sources.Status())
		}
	}
}

// settle waits until the sink holds what a cluster holds.
func (h *harness) settle(c *realCluster) {
	h.t.Helper()
	want := c.held()
	h.await("the sink to hold what the cluster holds", func() bool {
		h.queue.mu.Lock()
		defer h.queue.mu.Unlock()
		got := map[string]string{}
		for key, version := range h.queue.objects {
			got[key.Name], _, _ = strings.Cut(version, "@")
		}
		return cmp.Equal(want, got)
	})
}

// Two control planes that bear one name after the other, twice there and back,
// with objects of the same names in both.
func TestAnotherRealClusterUnderTheName(t *testing.T) {
	env := testenv.Start(t, testenv.Spec{Name: "a"}, testenv.Spec{Name: "b"})
	var same, onlyA, onlyB []string
	for i := range 20 {
		same = append(same, fmt.Sprint("same-", i))
		onlyA = append(onlyA, fmt.Sprint("only-a-", i))
		onlyB = append(onlyB, fmt.Sprint("only-b-", i))
	}
	a := newRealCluster(t, env.Cluster("a"), slices.Concat(same, onlyA)...)
	b := newRealCluster(t, env.Cluster("b"), slices.Concat(same, onlyB)...)
	h := start(t, "cm?namespace=default")
	h.sources.Set(fleet.Member{Name: "m", REST: a.cluster.Config()})
	h.settle(a)
	for turn, c := range []*realCluster{b, a, b} {
		before := []*realCluster{a, b, a}[turn]
		old := before.held()
		h.queue.told()
		h.sources.Set(fleet.Member{Name: "m", REST: c.cluster.Config()})
		h.settle(c)
		h.await("the stream to be live", func() bool { return h.sources.Status()[0].Streams[0].State == states.Live })

		gone := map[string]string{}
		for _, told := range h.queue.told() {
			var op, name, uid, cluster string
			if _, err := fmt.Sscanf(told, "%s %s %s of %s", &op, &name, &uid, &cluster); err != nil {
				t.Fatal(told, err)
			}
			switch {
			case op == "deleted" && cluster == before.uid:
				gone[name] = uid
			case op != "added" || cluster != c.uid:
				t.Errorf("turn %d: %s", turn, told)
			case old[name] != "" && gone[name] != old[name]:
				t.Errorf("turn %d: %s before the deletion of %s", turn, told, old[name])
			}
		}
		if diff := cmp.Diff(old, gone); diff != "" {
			t.Errorf("turn %d: deleted (-want +got):\n%s", turn, diff)
		}
	}
}
