package app

import (
	"path/filepath"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
	"github.com/fairlead-dev/fairlead/pipeline/stage"
	"github.com/fairlead-dev/fairlead/ratelimit"
	"github.com/fairlead-dev/fairlead/sources/fleet"
)

// A Secret of the hub is a member for as long as it is there, and its
// annotations pause it.
func TestMembersFromTheHub(t *testing.T) {
	hub := testenv.Start(t, testenv.Spec{Name: "hub"}).Clusters[0]
	ns := hub.NewNamespace(t)
	httpClient, err := rest.HTTPClientFor(hub.Config())
	if err != nil {
		t.Fatal(err)
	}
	defer httpClient.CloseIdleConnections()
	client, err := typedcorev1.NewForConfigAndClient(hub.Config(), httpClient)
	if err != nil {
		t.Fatal(err)
	}
	kubeconfig, err := testenv.Kubeconfig(hub)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "hub.yaml")
	if err := testenv.WriteKubeconfig(file, hub); err != nil {
		t.Fatal(err)
	}

	r := start(t, "--clusters=secrets:"+ns, "--hub-kubeconfig="+file, "--include-hub=home", "--watch=configmaps")
	r.await("the hub is a member", func() bool { return r.streamsLive("home") })
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "paris", Labels: map[string]string{"fairlead.dev/cluster": "true"}},
		Data:       map[string][]byte{"kubeconfig": kubeconfig},
	}
	if _, err := client.Secrets(ns).Create(t.Context(), secret, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	r.await("the Secret's cluster is a member", func() bool { return r.streamsLive("paris") })

	annotate := func(paused string) {
		patch := []byte(`{"metadata": {"annotations": {"fairlead.dev/paused": "` + paused + `"}}}`)
		if _, err := client.Secrets(ns).Patch(t.Context(), "paris", types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	annotate("true")
	r.await("it is paused", func() bool { return r.cluster("paris").State == "paused" })
	annotate("false")
	r.await("it goes on", func() bool { return r.streamsLive("paris") })
	if err := client.Secrets(ns).Delete(t.Context(), "paris", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	r.await("it is gone", func() bool { return r.cluster("paris").Name == "" })
	if !r.streamsLive("home") {
		t.Error("the hub as a member is not live")
	}
}

func TestLimitsOfADescription(t *testing.T) {
	s, err := parseFlags(t, "--watch=pods", "--cluster-qps=10", "--cluster-burst=20", "--cluster-snapshot-qps=30", "--cluster-limit=b=1:2:3")
	if err != nil {
		t.Fatal(err)
	}
	buckets, snapshots := ratelimit.New(ratelimit.Limit{}), ratelimit.New(ratelimit.Limit{})
	queue := stage.NewQueue(queue.Options[*pipeline.Change, pipeline.Key]{Name: "limits", Buckets: buckets, SnapshotBuckets: snapshots})
	limits := newLimiter(s.clusterLimits())
	limits.open(routes{{queue: queue, buckets: buckets, snapshots: snapshots}})
	limit := limits.limit
	for _, step := range []struct {
		cluster string
		limits  fleet.Limits
		want    ratelimit.Limit
	}{
		{"a", fleet.Limits{}, ratelimit.Limit{QPS: 10, Burst: 20}},
		{"a", fleet.Limits{QPS: new(5.0)}, ratelimit.Limit{QPS: 5, Burst: 20}},
		{"a", fleet.Limits{Burst: new(7)}, ratelimit.Limit{QPS: 10, Burst: 7}},
		{"a", fleet.Limits{}, ratelimit.Limit{QPS: 10, Burst: 20}},
		{"b", fleet.Limits{QPS: new(5.0), Burst: new(6), Weight: new(7)}, ratelimit.Limit{QPS: 5, Burst: 6}},
		{"b", fleet.Limits{}, ratelimit.Limit{QPS: 1, Burst: 2}},
	} {
		limit(step.cluster, step.limits)
		if got := buckets.Limit(step.cluster); got != step.want {
			t.Errorf("%s with %+v: limit %v, want %v", step.cluster, step.limits, got, step.want)
		}
	}
	for _, step := range []struct {
		limits fleet.Limits
		want   float64
	}{
		{fleet.Limits{}, 30}, {fleet.Limits{SnapshotQPS: new(5.0)}, 5}, {fleet.Limits{SnapshotQPS: new(0.0)}, 0}, {fleet.Limits{}, 30},
	} {
		limit("a", step.limits)
		if got := snapshots.Limit("a").QPS; got != step.want {
			t.Errorf("with %+v: %v of a snapshot per second, want %v", step.limits, got, step.want)
		}
	}
	queue.ShutDown()
}
