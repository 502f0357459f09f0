package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fairlead-dev/fairlead/pipeline/queue"
	"github.com/fairlead-dev/fairlead/sources"
	"github.com/fairlead-dev/fairlead/sources/propagation"
)

// TestPlanForgetsTheAbandoned: nothing is kept of members that are abandoned, or
// that have nothing to do with a source.
func TestPlanForgetsTheAbandoned(t *testing.T) {
	caches, err := sources.NewCaches(sources.CachesOptions{})
	if err != nil {
		t.Fatal(err)
	}
	r := &reconciler{fleet: caches.Fleet, term: func() uint64 { return 0 }}
	src := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
		Namespace: "ns", Name: "src", UID: types.UID("u"), ResourceVersion: "7",
		Labels: map[string]string{labelRole: "source"}, Annotations: map[string]string{annotationAbandon: "lost,other"},
	}}
	key := client.ObjectKeyFromObject(src)
	for _, name := range []string{"lost", "away"} { // both have left the fleet
		r.reports.Store(queue.Request{Cluster: name, NamespacedName: key}, report{source: "u/6", state: applied, wanted: true})
	}
	old := status{Clusters: map[string]*entry{"lost": {ClusterStatus: propagation.ClusterStatus{State: applied}, Applied: "u/6"}, "away": {ClusterStatus: propagation.ClusterStatus{State: applied}, Applied: "u/6"}}}
	next, _ := r.plan(key, src, old, false)
	var clusters, reports []string
	for name := range next.Clusters {
		clusters = append(clusters, name)
	}
	r.reports.Range(func(req, _ any) bool {
		reports = append(reports, req.(queue.Request).Cluster)
		return true
	})
	if diff := cmp.Diff([][]string{{"away"}, {"away"}}, [][]string{clusters, reports}); diff != "" {
		t.Errorf("clusters and reports (-want +got):\n%s", diff)
	}
}
