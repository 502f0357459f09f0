package sources

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/sources/cache"
)

// A manager's caches know the hub and those whom Secrets in it describe.
func TestAddToManager(t *testing.T) {
	env := testenv.Start(t, testenv.HubAndMembers(1)...)
	hub, a := env.Clusters[0], env.Clusters[1]
	ns, direct := hub.NewNamespace(t), clientOf(t, hub)
	kubeconfig, err := testenv.Kubeconfig(a)
	if err != nil {
		t.Fatal(err)
	}
	if err := direct.Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "a", Labels: map[string]string{"fairlead.dev/cluster": "true", "tier": "edge"}},
		Data:       map[string][]byte{"kubeconfig": kubeconfig},
	}); err != nil {
		t.Fatal(err)
	}
	mgr, err := manager.New(hub.Config(), manager.Options{Metrics: metricsserver.Options{BindAddress: "0"}, Logger: logr.Discard()})
	if err != nil {
		t.Fatal(err)
	}
	defer mgr.GetHTTPClient().CloseIdleConnections()
	caches, err := NewCaches(CachesOptions{Connection: quick})
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"nonsense:x", "secrets:"} {
		if err := caches.AddToManager(mgr, "hub", []string{bad}); err == nil || !strings.Contains(err.Error(), strings.TrimSuffix(bad, "x")) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	if err := caches.AddToManager(mgr, "hub", []string{"secrets:" + ns}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := mgr.Start(ctx); err != nil {
			t.Errorf("manager: %v", err)
		}
	})
	defer wg.Wait()
	defer cancel()
	eventually(t, "both are live", func() bool {
		s := caches.State("a")
		return s.State == cache.Live && s.Labels["tier"] == "edge" && caches.State("hub").State == cache.Live
	})
}
