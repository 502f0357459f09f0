package sources

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
	"github.com/fairlead-dev/fairlead/sources/cache"
	"github.com/fairlead-dev/fairlead/sources/fleet"
)

// testKinds: metadata, unstructured and mapped objects, and owners.
func testKinds(t *testing.T, hub, a *testenv.Cluster) {
	ns, direct := a.NewNamespace(t), clientOf(t, a)
	owner := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "owner"}}
	if err := direct.Create(t.Context(), owner); err != nil {
		t.Fatal(err)
	}
	sa := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "owned", OwnerReferences: []metav1.OwnerReference{
		{APIVersion: "v1", Kind: "Secret", Name: "owner", UID: owner.UID},
	}}}
	if err := direct.Create(t.Context(), sa); err != nil {
		t.Fatal(err)
	}
	secrets := &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}}
	namespaces := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace"}}
	m := manage(t, hub.Config(), CachesOptions{Connection: quick},
		func(c *Caches) kindSource {
			return cache.Kind(c.Fleet, secrets, cache.EnqueueRequestsFromMapFunc(
				func(_ context.Context, cluster string, o *metav1.PartialObjectMetadata) []queue.Request {
					return []queue.Request{request(cluster, o.Namespace, "mapped-"+o.Name)}
				}))
		},
		func(c *Caches) kindSource {
			return cache.Kind(c.Fleet, namespaces, cache.EnqueueRequestForObject)
		},
		func(c *Caches) kindSource {
			return cache.Kind(c.Fleet, &corev1.ServiceAccount{}, cache.EnqueueRequestForOwner[*corev1.ServiceAccount](&corev1.Secret{}))
		})
	m.caches.Set(fleet.Member{Name: "a", REST: a.Config()})
	for _, want := range []queue.Request{request("a", ns, "mapped-owner"), request("a", "", ns), request("a", ns, "owner")} {
		eventually(t, want.String(), func() bool { return m.count(want.Cluster, want.Namespace, want.Name) > 0 })
	}
	m.becomes(t, "a", cache.Live)

	// Reads of each kind, and of one that is not there.
	c, err := m.caches.Client("a")
	if err != nil {
		t.Fatal(err)
	}
	got := secrets.DeepCopy()
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(owner), got); err != nil || got.UID != owner.UID {
		t.Errorf("metadata: %v, %v", got, err)
	}
	list := &corev1.ServiceAccountList{}
	if err := c.List(t.Context(), list, client.InNamespace(ns)); err != nil || len(list.Items) != 1 {
		t.Errorf("list: %v, %v", list, err)
	}
	missing := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "nobody.example/v1", "kind": "Thing"}}
	if err := c.Get(t.Context(), client.ObjectKey{Name: "x"}, missing); !meta.IsNoMatchError(err) {
		t.Errorf("kind that does not exist: %v", err)
	}
	// A copy of the config is good for other clients.
	cl, err := m.caches.Cluster("a")
	if err != nil {
		t.Fatal(err)
	}
	clientset, err := kubernetes.NewForConfig(cl.GetConfig())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := clientset.CoreV1().Secrets(ns).Get(t.Context(), "owner", metav1.GetOptions{}); err != nil {
		t.Errorf("clientset: %v", err)
	}
	if v, err := clientset.Discovery().ServerVersion(); err != nil || v.GitVersion == "" {
		t.Errorf("discovery: %v, %v", v, err)
	}
}
