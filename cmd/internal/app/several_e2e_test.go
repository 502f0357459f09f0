package app

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/internal/testenv"
)

// TestCommandsOfSeveralClusters: what is replayed or paused of all clusters, or of those that have
// labels, is that of each, and of no other.
func TestCommandsOfSeveralClusters(t *testing.T) {
	hub := testenv.Start(t, testenv.Spec{Name: "hub"}).Clusters[0]
	o := newObjects(t, hub, "several")
	o.create("a")
	o.create("b")
	fleet := hub.NewNamespace(t)
	h := must(rest.HTTPClientFor(hub.Config()))(t)
	t.Cleanup(h.CloseIdleConnections)
	client := must(typedcorev1.NewForConfigAndClient(hub.Config(), h))(t)
	for name, region := range map[string]string{"north-1": "north", "north-2": "north", "south-1": "south"} {
		_ = must(client.Secrets(fleet).Create(t.Context(), &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"fairlead.dev/cluster": "true", "region": region}},
			Data:       map[string][]byte{"kubeconfig": must(testenv.Kubeconfig(hub))(t)},
		}, metav1.CreateOptions{}))(t)
	}
	r := start(t, "--clusters=secrets:"+fleet, "--hub-kubeconfig="+writeKubeconfig(t, hub), "--watch=configmaps?namespace="+o.namespace, "--admin-bind-address=127.0.0.1:0")
	names := []string{"north-1", "north-2", "south-1"}
	settled := func() bool {
		return !slices.ContainsFunc(names, func(name string) bool {
			return !r.streamsLive(name) || r.cluster(name).Streams[0].Unacked > 0
		})
	}
	r.await("all is delivered", settled)
	objects := len(o.list()) // what is made in each namespace is among them
	run := func(code int, args ...string) string {
		t.Helper()
		out, err := command(t, append(args, "--admin=http://"+r.program.adminAddress.String())...)
		if err != nil {
			out += err.Error()
		}
		if got := ExitCode(err); got != code {
			t.Errorf("fairlead %s ends with %d, not %d: %s", strings.Join(args, " "), got, code, out)
		}
		return out
	}

	// What would be replayed is counted for each, and all together.
	var counted struct {
		Clusters []api.Replay
		Objects  int
		DryRun   bool
	}
	if err := json.Unmarshal([]byte(run(0, "replay", "--route=stdout:", "--dry-run", "-o=json")), &counted); err != nil {
		t.Fatal(err)
	}
	if !counted.DryRun || len(counted.Clusters) != 3 || counted.Objects != 3*objects || counted.Clusters[2].Cluster != "south-1" {
		t.Errorf("%+v, of %d objects in each cluster", counted, objects)
	}
	said := run(0, "replay", "--cluster-selector=region=north", "-n", o.namespace, "--name=a", "--dry-run")
	for _, want := range []string{"1 object of cluster north-1", "1 object of cluster north-2", "would deliver 2 objects of 2 clusters"} {
		if !strings.Contains(said, want) || strings.Contains(said, "south") {
			t.Errorf("%q does not say %q, or too much", said, want)
		}
	}
	if yaml := run(0, "replay", "--cluster=south-1", "--dry-run", "-o=yaml"); !strings.Contains(yaml, "clusters:\n- cluster: south-1\n") {
		t.Error(yaml)
	}

	// Nothing is begun by what is not understood.
	for want, args := range map[string][]string{
		"which cluster?":            {"replay", "--resource=configmaps"},
		"exclude each other":        {"replay", "--cluster=south-1", "--cluster-selector=region=north"},
		"no cluster has these":      {"replay", "--cluster-selector=region=east"},
		"there are json":            {"replay", "--route=stdout:", "-o=wide"},
		"--output":                  {"replay", "--route=stdout:", "-o=jsonpath={.x"},
		"--cluster-selector: ":      {"replay", "--cluster-selector=,,"},
		"no cluster has these ":     {"pause", "--selector=region=east"},
		"in place of the name":      {"pause", "north-1", "--selector=region=north"},
		"with these labels is paus": {"resume", "--selector=region=north"},
	} {
		if out := run(2, args...); !strings.Contains(out, want) {
			t.Errorf("%v: %s, want %q", args, out, want)
		}
	}
	if out := run(2, "replay", "--route=stdout:", "--resource=gizmos"); !strings.Contains(out, "Cluster north-2 cannot be replayed: ") || !strings.Contains(out, "3 of 3 clusters") {
		t.Error(out)
	}

	delivered := func(cluster string) (n int) {
		for _, e := range r.out.received() {
			if e.Cluster == cluster && e.Namespace == o.namespace {
				n++
			}
		}
		return n
	}
	for _, name := range names {
		if n := delivered(name); n != objects {
			t.Errorf("%d changes of %s were delivered before a replay, want %d", n, name, objects)
		}
	}
	run(0, "replay", "--cluster-selector=region=north", "--route=stdout:")
	r.await("both are replayed", func() bool {
		return settled() && delivered("north-1") == 2*objects && delivered("north-2") == 2*objects
	})
	if n := delivered("south-1"); n != objects {
		t.Errorf("%d changes of another cluster were delivered", n)
	}
	run(0, "replay", "--route=stdout:")
	r.await("all are replayed", func() bool {
		return settled() && delivered("north-1") == 3*objects && delivered("north-2") == 3*objects && delivered("south-1") == 2*objects
	})

	paused := func() (all []string) {
		for _, p := range r.program.orders.paused() {
			all = append(all, p.String())
		}
		slices.Sort(all)
		return all
	}
	if out := run(0, "pause", "--selector=region=north", "--reason=a test", "-o=jsonpath={.clusters[*].cluster}"); out != "north-1 north-2" {
		t.Error(out)
	}
	if got := paused(); !slices.Equal(got, []string{"cluster north-1", "cluster north-2"}) {
		t.Errorf("paused: %v", got)
	}
	run(0, "resume", "north-2")
	if out := run(0, "resume", "-l", "region=north"); !strings.Contains(out, "cluster north-1") || strings.Contains(out, "north-2") || len(paused()) != 0 {
		t.Errorf("%s, and paused are %v", out, paused())
	}
}
