package sources_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/fairlead-dev/fairlead/fairleadtest"
	"github.com/fairlead-dev/fairlead/sources/cache"
)

// The code of the examples is what docs/library.md shows. Here it runs: a member joins
// by a Secret, the controller of the builder keeps what the hub has there, also after
// somebody has changed it in the member, and the one over the fleet sees each change.
func TestExamplesOnRealServers(t *testing.T) {
	env := fairleadtest.Start(t, fairleadtest.HubAndMembers(1)...)
	hub, member := direct(t, env.Cluster("hub").Config()), direct(t, env.Cluster("member-1").Config())

	var seen atomic.Bool // by the controller over the fleet
	mgr, err := manager.New(env.Cluster("hub").Config(), manager.Options{
		Metrics:    metricsserver.Options{BindAddress: "0"},
		Controller: config.Controller{SkipNameValidation: new(true)},
		Logger: funcr.New(func(_, line string) {
			if strings.Contains(line, `"cluster"="member-1" "name"="wanted"`) {
				seen.Store(true)
			}
		}, funcr.Options{}),
	})
	if err != nil {
		t.Fatal(err)
	}
	caches, err := setUp(mgr)
	if err != nil {
		t.Fatal(err)
	}
	if err := setUpWithBuilder(mgr, caches); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := mgr.Start(ctx); err != nil {
			t.Errorf("manager: %v", err)
		}
	})
	t.Cleanup(func() {
		cancel()
		wg.Wait()
		mgr.GetHTTPClient().CloseIdleConnections()
	})

	kubeconfig, err := fairleadtest.Kubeconfig(env.Cluster("member-1"))
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "fleet"}},
		&corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: "fleet", Name: "member-1", Labels: map[string]string{"fairlead.dev/cluster": "true"}},
			Data:       map[string][]byte{"kubeconfig": kubeconfig},
		},
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "wanted", Labels: map[string]string{"replicate": "true"}}, Data: map[string]string{"a": "1"}},
	} {
		if err := hub.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	wait, done := context.WithTimeout(t.Context(), time.Minute)
	defer done()
	if _, err := caches.WaitLive(wait, "member-1"); err != nil {
		t.Fatal(err)
	}
	is := func(value string) func(*corev1.ConfigMap) bool {
		return func(cm *corev1.ConfigMap) bool { return cm.Data["a"] == value && seen.Load() }
	}
	cm := becomes(t, member, is("1"))
	cm.Data["a"] = "2" // somebody in the member
	if err := member.Update(t.Context(), cm); err != nil {
		t.Fatal(err)
	}
	becomes(t, member, is("1"))
	if s := caches.State("member-1"); s.State != cache.Live {
		t.Errorf("member-1 is %+v", s)
	}
}

// direct is a client that goes around what is tested.
func direct(t *testing.T, config *rest.Config) client.Client {
	t.Helper()
	httpClient, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(httpClient.CloseIdleConnections)
	c, err := client.New(config, client.Options{HTTPClient: httpClient})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// becomes waits until the ConfigMap of the example is so in a cluster.
func becomes(t *testing.T, c client.Client, so func(*corev1.ConfigMap) bool) *corev1.ConfigMap {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	var cm corev1.ConfigMap
	for {
		err := c.Get(ctx, client.ObjectKey{Namespace: "default", Name: "wanted"}, &cm)
		if err == nil && so(&cm) {
			return &cm
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("never: %v, %+v", err, cm)
		}
	}
}
