package simserver

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
)

var configMaps = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}

// serve runs a server until the test ends.
func serve(t *testing.T, o Options) *Server {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return s
}

// client returns an HTTP client for one member whose connections end with the
// test.
func client(t *testing.T, m *Member) (*http.Client, *rest.Config) {
	t.Helper()
	config := m.Config()
	// A transport of the test's own: client-go keeps its own ones for ever.
	c, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdleConnections)
	return c, config
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: not within a minute", what)
		}
	}
}

// An informer of client-go, which decides itself how to list, holds what the
// member has, and follows it.
func TestInformerFollows(t *testing.T) {
	s := serve(t, Options{Clusters: 2, Objects: 120, Window: 50})
	m := s.Members()[1]
	h, config := client(t, m)
	d, err := dynamic.NewForConfigAndClient(config, h)
	if err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	factory := dynamicinformer.NewDynamicSharedInformerFactory(d, 0)
	informer := factory.ForResource(configMaps).Informer()
	factory.Start(stop)
	defer func() {
		close(stop)
		factory.Shutdown()
	}()
	eventually(t, "sync", informer.HasSynced)
	if n := len(informer.GetStore().ListKeys()); n != 120 {
		t.Fatalf("%d objects, want 120", n)
	}
	versionOf := func(number int) string {
		namespace, name := nameOf(number)
		o, ok, _ := informer.GetStore().GetByKey(namespace + "/" + name)
		if !ok {
			return ""
		}
		return o.(metav1.Object).GetResourceVersion()
	}
	version := m.Touch("configmaps", 7)
	eventually(t, "an update", func() bool { return versionOf(7) == version })
	m.Delete("configmaps", 7)
	eventually(t, "a deletion", func() bool { return versionOf(7) == "" })
	version = m.Touch("configmaps", 7)
	eventually(t, "a new object of that name", func() bool { return versionOf(7) == version })
	s.CutWatches()
	for n := range 300 { // more than twice the window: it may have to list again
		version = m.Touch("configmaps", n%120)
	}
	eventually(t, "the last change after a cut", func() bool { return versionOf(299%120) == version })
	if n := len(informer.GetStore().ListKeys()); n != 120 {
		t.Errorf("%d objects, want 120", n)
	}
	if other := s.Members()[0]; other.version != 120 {
		t.Errorf("another member's version moved to %d", other.version)
	}
}

func TestTypedAndMetadataClients(t *testing.T) {
	s := serve(t, Options{Objects: 30, Size: 3000, Resources: []string{"configmaps", "deployments.apps"}})
	h, config := client(t, s.Members()[0])
	typed, err := kubernetes.NewForConfigAndClient(config, h)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]*corev1.ConfigMap{}
	options := metav1.ListOptions{Limit: 7}
	for pages := 1; ; pages++ {
		page, err := typed.CoreV1().ConfigMaps("").List(t.Context(), options)
		if err != nil {
			t.Fatal(err)
		}
		for i := range page.Items {
			seen[string(page.Items[i].UID)] = &page.Items[i]
		}
		if options.Continue = page.Continue; page.Continue == "" {
			if pages != 5 {
				t.Errorf("%d pages of 7 for 30 objects", pages)
			}
			break
		}
	}
	if len(seen) != 30 {
		t.Fatalf("%d different objects, want 30", len(seen))
	}
	for _, cm := range seen {
		cm.Kind, cm.APIVersion = "ConfigMap", "v1"
		if len(cm.Data["payload"]) < 1500 || cm.ResourceVersion == "" || len(cm.ManagedFields) != 1 {
			t.Errorf("an odd object: %v", cm)
		}
	}
	d, err := typed.AppsV1().Deployments("ns-03").List(t.Context(), metav1.ListOptions{})
	if err != nil || len(d.Items) != 2 { // 3 and 23
		t.Errorf("%d Deployments in ns-03, %v; want 2", len(d.Items), err)
	}
	meta, err := metadata.NewForConfigAndClient(config, h)
	if err != nil {
		t.Fatal(err)
	}
	list, err := meta.Resource(configMaps).List(t.Context(), metav1.ListOptions{})
	if err != nil || len(list.Items) != 30 || list.Items[0].Name == "" {
		t.Errorf("%d objects' metadata, %v", len(list.Items), err)
	}
	if _, err := typed.CoreV1().ConfigMaps("ns-04").Get(t.Context(), "object-0000004", metav1.GetOptions{}); err != nil {
		t.Error(err)
	}
	if _, err := typed.CoreV1().ConfigMaps("ns-05").Get(t.Context(), "object-0000004", metav1.GetOptions{}); err == nil {
		t.Error("an object in another namespace was found")
	}
	_, resources, err := typed.Discovery().ServerGroupsAndResources()
	if err != nil || len(resources) != 2 {
		t.Errorf("discovery found %v, %v", resources, err)
	}
}

// An object has the size that was asked for, and is JSON.
func TestSize(t *testing.T) {
	for _, size := range []int{0, 1000, 2600, 100_000} {
		s := serve(t, Options{Objects: 1, Size: size})
		c := s.Members()[0].resources[0]
		b := c.appendObject(nil, c.objects[0], false)
		want := s.o.Size
		if !json.Valid(b) || len(b) > want || len(b) < want-4 {
			t.Errorf("an object of %d bytes, want %d: %.300s", len(b), want, b)
		}
	}
}

func TestUIDsDiffer(t *testing.T) {
	seen := map[string]string{}
	for member := range 40 {
		for resource := range 3 {
			for number := range 20 {
				for life := range uint32(3) {
					id := uid(member, resource, number, life)
					what := fmt.Sprint(member, resource, number, life)
					if other, ok := seen[id]; ok {
						t.Fatalf("%s and %s have the UID %s", what, other, id)
					}
					seen[id] = what
				}
			}
		}
	}
}

// A watch from a version that has left the window is told so.
func TestExpired(t *testing.T) {
	s := serve(t, Options{Objects: 1, Window: 10})
	m := s.Members()[0]
	for range 100 {
		m.Touch("configmaps", 0)
	}
	h, config := client(t, m)
	resp, err := h.Get(config.Host + "/api/v1/configmaps?watch=true&resourceVersion=5")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var frame struct {
		Type   string
		Object metav1.Status
	}
	if err := json.NewDecoder(resp.Body).Decode(&frame); err != nil || frame.Type != "ERROR" || frame.Object.Code != http.StatusGone {
		t.Errorf("got %+v, %v", frame, err)
	}
}

// A client that does not read is cut off once it lags by more than the window.
func TestSlowWatcherIsCutOff(t *testing.T) {
	s := serve(t, Options{Objects: 1, Window: 10, Size: 100_000})
	m := s.Members()[0]
	h, config := client(t, m)
	resp, err := h.Get(config.Host + "/api/v1/configmaps?watch=true&resourceVersion=1")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	for range 100_000 { // 10 GB, far more than what sockets hold
		m.Touch("configmaps", 0)
	}
	n, err := io.Copy(io.Discard, resp.Body)
	if err != nil || n > 1<<30 {
		t.Errorf("read %d bytes, %v; want the end of the watch after what the sockets held", n, err)
	}
	eventually(t, "the end of the handler", func() bool { return s.Stats().Open == 0 })
}

func TestChurn(t *testing.T) {
	s := serve(t, Options{Clusters: 10, Objects: 5, Resources: []string{"configmaps", "secrets"}})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var changes int64
	wg.Go(func() {
		var err error
		if changes, err = s.Churn(ctx, Churn{PerSecond: 20_000, Skew: 1, Replaced: 0.2}); err != nil {
			t.Error(err)
		}
	})
	version := func(i int) uint64 {
		m := s.Members()[i]
		m.mu.Lock()
		defer m.mu.Unlock()
		return m.version - 10
	}
	eventually(t, "changes", func() bool { return version(0) > 1000 })
	cancel()
	wg.Wait()
	var sum uint64
	for i := range 10 {
		sum += version(i)
	}
	if sum == 0 || sum > uint64(changes) { // a deletion of what is gone is no event
		t.Errorf("%d events of %d changes", sum, changes)
	}
	if first, last := version(0), version(9); first < 3*last {
		t.Errorf("the first member had %d events and the tenth %d; want about ten times as many", first, last)
	}
	for _, bad := range []Churn{{PerSecond: -1}, {Skew: -1}, {Replaced: 2}} {
		if _, err := s.Churn(t.Context(), bad); err == nil {
			t.Errorf("%+v was accepted", bad)
		}
	}
}

func TestBadResources(t *testing.T) {
	for _, test := range []struct{ names, want string }{
		{"", "plural"}, {".apps", "plural"}, {"a/b", "plural"}, {"pods ", "plural"}, {"deployments.", "plural"}, {"ö", "plural"},
		{"pods,secrets,pods", `"pods": is given twice`},
	} {
		if _, err := New(Options{Resources: strings.Split(test.names, ",")}); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: %v", test.names, err)
		}
	}
	for name, kind := range map[string]string{"s": "S", "widgets.example.org": "Widget", "deployments.apps": "Deployment"} {
		if r, err := parseResource(name); err != nil || r.kind != kind {
			t.Errorf("%s: %+v, %v, want kind %s", name, r, err, kind)
		}
	}
}

// TestObjectsOf: a resource may have another number of objects than the others.
func TestObjectsOf(t *testing.T) {
	s, err := New(Options{Resources: []string{"configmaps", "secrets"}, Objects: 3, ObjectsOf: map[string]int{"secrets": 1}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.listener.Close()
	m := s.Members()[0]
	if first, second := len(m.resources[0].objects), len(m.resources[1].objects); first != 3 || second != 1 || m.version != 4 {
		t.Errorf("%d and %d objects, the newest version is %d", first, second, m.version)
	}
}
