package stream

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sources/member"
	"github.com/fairlead-dev/fairlead/sources/stream/wire"
)

var (
	configMaps = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
	secrets    = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
	crds       = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
)

// mirror is a sink and the worker before it: what it holds must become what
// the server holds.
type mirror struct {
	always
	mu      sync.Mutex
	objects map[string]*pipeline.Change // by namespace/name
	ops     map[string]int
}

// Offer accepts a change at once, as a queue and its workers would in time.
func (m *mirror) Offer(ctx context.Context, c *pipeline.Change, _ int) error {
	ghosts := begin(c)
	m.mu.Lock()
	m.ops["ghost"] += len(ghosts)
	key := c.Key.Namespace + "/" + c.Key.Name
	if c.Op == pipeline.Deleted {
		delete(m.objects, key)
	} else {
		m.objects[key] = c
	}
	m.ops[c.Op.String()]++
	if c.Tombstone {
		m.ops["tombstone"]++
	}
	m.mu.Unlock()
	c.Origin.Tracker.Ack(c)
	return nil
}

func (m *mirror) versions() map[string]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	versions := map[string]string{}
	for key, c := range m.objects {
		versions[key] = string(c.UID) + "@" + c.ResourceVersion
	}
	return versions
}

func (m *mirror) counts() map[string]int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.ops)
}

func (m *mirror) get(key string) *pipeline.Change {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.objects[key]
}

// realStream is a stream on a real API server.
type realStream struct {
	t      *testing.T
	client dynamic.Interface
	mirror *mirror
	opts   Options
	stream *Stream
	stop   func()
}

func follow(t *testing.T, config *rest.Config, spec string) *realStream {
	t.Helper()
	config = rest.CopyConfig(config)
	config.QPS = -1
	config.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	httpClient, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(httpClient.CloseIdleConnections)
	client, err := rest.UnversionedRESTClientForConfigAndClient(config, httpClient)
	if err != nil {
		t.Fatal(err)
	}
	disco, err := discovery.NewDiscoveryClientForConfigAndClient(config, httpClient)
	if err != nil {
		t.Fatal(err)
	}
	objects, err := dynamic.NewForConfigAndClient(config, httpClient)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := ParseSpec(spec)
	if err != nil {
		t.Fatal(err)
	}
	namespace, err := objects.Resource(schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}).Get(t.Context(), metav1.NamespaceSystem, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	changed, onChange, _ := member.Validity()
	r := &realStream{t: t, client: objects, mirror: &mirror{objects: map[string]*pipeline.Change{}, ops: map[string]int{}}}
	r.opts = Options{
		Cluster: "real", Spec: parsed, Routes: []Route{{Name: "a", Queue: r.mirror}}, Ledger: newLedger(t),
		Config: Config{ReconnectMin: 10 * time.Millisecond, ReconnectMax: 100 * time.Millisecond},
		Connection: &fakeConnection{stale: map[string]bool{}, session: &member.Session{
			Cluster: "real", UID: string(namespace.GetUID()), Watches: client, Calls: client, Discovery: disco, Changed: changed, OnChange: onChange,
		}},
	}
	r.run()
	return r
}

func (r *realStream) run() {
	r.stream = New(r.opts)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.stream.Run(ctx) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			r.t.Errorf("Run = %v", err)
		}
	})
	r.t.Cleanup(r.stop)
}

// create makes an object of apiVersion and kind as the resource asks for.
func (r *realStream) create(gvr schema.GroupVersionResource, namespace, manifest string, args ...any) {
	r.t.Helper()
	o := &unstructured.Unstructured{}
	if err := o.UnmarshalJSON(fmt.Appendf(nil, manifest, args...)); err != nil {
		r.t.Fatal(err)
	}
	var into dynamic.ResourceInterface = r.client.Resource(gvr)
	if namespace != "" {
		into = r.client.Resource(gvr).Namespace(namespace)
	}
	if _, err := into.Create(r.t.Context(), o, metav1.CreateOptions{FieldManager: "test"}); err != nil {
		r.t.Fatal(err)
	}
}

func (r *realStream) createConfigMap(namespace string, n int) {
	r.t.Helper()
	r.create(configMaps, namespace, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"cm-%d"},"data":{"n":"%d"}}`, n, n)
}

// settle waits until the mirror holds what the server holds.
func (r *realStream) settle(gvr schema.GroupVersionResource, namespace string) {
	r.t.Helper()
	list, err := r.client.Resource(gvr).Namespace(namespace).List(r.t.Context(), metav1.ListOptions{})
	if err != nil {
		r.t.Fatal(err)
	}
	want := map[string]string{}
	for _, o := range list.Items {
		want[o.GetNamespace()+"/"+o.GetName()] = string(o.GetUID()) + "@" + o.GetResourceVersion()
	}
	r.eventually("the mirror to hold what the server holds", func() string {
		return cmp.Diff(want, r.mirror.versions())
	})
}

// eventually waits until missing returns nothing. That may take more than one of the
// bookmarks that a server sends each minute of a quiet resource: an audit waits for one.
func (r *realStream) eventually(what string, missing func() string) {
	r.t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	given := time.After(3 * time.Minute)
	for {
		lack := missing()
		if lack == "" {
			return
		}
		select {
		case <-again.C:
		case <-given:
			r.t.Fatalf("waited for %s; status: %+v\n%.2000s", what, r.stream.Status(), lack)
		}
	}
}

func (r *realStream) wantLive() {
	r.t.Helper()
	r.eventually("the stream to be live", func() string {
		if s := r.stream.Status(); s.State != member.Live {
			return string(s.State)
		}
		return ""
	})
}

func TestOnRealServers(t *testing.T) {
	env := testenv.Start(t,
		testenv.Spec{Name: "streaming"},
		testenv.Spec{Name: "paged", APIServerFlags: []string{"--feature-gates=WatchList=false", "--watch-cache=false"}})
	streaming, paged := env.Cluster("streaming"), env.Cluster("paged")
	for _, cluster := range []*testenv.Cluster{streaming, paged} {
		t.Run(cluster.Name(), func(t *testing.T) { testFollows(t, cluster, cluster == paged) })
		t.Run("question for a version, "+cluster.Name(), func(t *testing.T) { testQuestionForAVersion(t, cluster) })
	}
	t.Run("metadata", func(t *testing.T) { testMetadataOnly(t, streaming) })
	t.Run("metadata in pages", func(t *testing.T) { testMetadataOnly(t, paged) })
	t.Run("secrets", func(t *testing.T) { testSecrets(t, streaming) })
	t.Run("custom resources", func(t *testing.T) { testCustomResources(t, streaming) })
	t.Run("odd objects", func(t *testing.T) { testOddObjects(t, streaming) })
	t.Run("connection cut", func(t *testing.T) { testCut(t, streaming) })
	t.Run("resource gone while down", func(t *testing.T) { testGoneWhileDown(t, streaming) })
	t.Run("resource gone while cut off", func(t *testing.T) { testGoneWhileCutOff(t, streaming) })
	t.Run("second meaning", func(t *testing.T) { testSecondMeaning(t, streaming) })
	t.Run("preferred version", func(t *testing.T) { testPreferredVersion(t, streaming) })
	t.Run("broken API", func(t *testing.T) { testBrokenAPI(t, streaming) })
	t.Run("audits", func(t *testing.T) { testAudits(t, streaming) })
	t.Run("selects", func(t *testing.T) { testSelects(t, streaming) })
	t.Run("quiet events", func(t *testing.T) { testQuietEvents(t, streaming) })
	t.Run("reread", func(t *testing.T) { testReread(t, streaming) })
	t.Run("reread without a watch cache", func(t *testing.T) { testReread(t, paged) })
	t.Run("restarts", func(t *testing.T) { testRestarts(t, streaming) })
	t.Run("restore", func(t *testing.T) { testRestore(t, streaming) })
	t.Run("replay in pages", func(t *testing.T) { testReplayInPages(t, paged) })
	t.Run("restore that nobody sees", func(t *testing.T) { testRestoreUnseen(t, paged) })
}

// testFollows: a snapshot of more than a page, live changes, what happens while
// nobody watches, and deletions in a gap that the server no longer remembers.
func testFollows(t *testing.T, cluster *testenv.Cluster, paged bool) {
	namespace := cluster.NewNamespace(t)
	r := follow(t, cluster.Config(), "cm?namespace="+namespace)
	r.wantLive()
	r.stop()
	const n = pageSize + 20
	for i := range n {
		r.createConfigMap(namespace, i)
	}
	r.opts.Ledger = newLedger(t) // one that knows of nothing: it takes a snapshot
	r.run()
	r.wantLive()
	r.settle(configMaps, namespace)

	objects := r.client.Resource(configMaps).Namespace(namespace)
	remove := func(i int) {
		t.Helper()
		if err := objects.Delete(t.Context(), fmt.Sprint("cm-", i), metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	remove(0)
	remove(1)
	r.createConfigMap(namespace, 1)
	r.createConfigMap(namespace, n)
	o, err := objects.Get(t.Context(), "cm-2", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := unstructured.SetNestedField(o.Object, "new", "data", "n"); err != nil {
		t.Fatal(err)
	}
	if _, err := objects.Update(t.Context(), o, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	r.settle(configMaps, namespace)
	if got := r.mirror.counts(); got["added"] != n+2 || got["updated"] != 1 || got["deleted"] != 2 {
		t.Errorf("changes: %v", got)
	}
	c := r.mirror.get(namespace + "/cm-2")
	if u, err := c.Unstructured(); err != nil || u.GetKind() != "ConfigMap" || u.GetAPIVersion() != "v1" || len(u.GetManagedFields()) != 0 {
		t.Errorf("object is %s, %v", c.Object, err)
	}
	c = r.mirror.get(namespace + "/cm-3") // from the snapshot
	if u, err := c.Unstructured(); err != nil || u.GetKind() != "ConfigMap" || u.GetAPIVersion() != "v1" || len(u.GetManagedFields()) != 0 {
		t.Errorf("object is %s, %v", c.Object, err)
	}

	// Stopped, it resumes from where it was, without a snapshot.
	r.stop()
	if r.stream.main.Load().noStream != paged {
		t.Errorf("took the snapshot in pages: %t, want %t", r.stream.main.Load().noStream, paged)
	}
	remove(3)
	r.createConfigMap(namespace, n+1)
	before := r.mirror.counts()
	r.run()
	r.settle(configMaps, namespace)
	after := r.mirror.counts()
	if after["deleted"] != before["deleted"]+1 || after["added"] != before["added"]+1 || len(r.stream.Status().Snapshots) != 0 {
		t.Errorf("changes: %v, before that %v, status: %+v", after, before, r.stream.Status())
	}

	// Unless the server has forgotten.
	r.stop()
	remove(4)
	r.createConfigMap(namespace, n+2)
	if err := cluster.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !paged { // its watch cache still remembers
		if err := cluster.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.createConfigMap(namespace, n+3)
		if err := cluster.Compact(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	before = r.mirror.counts()
	r.run()
	r.settle(configMaps, namespace)
	after = r.mirror.counts()
	s := r.stream.Status()
	if after["tombstone"] != 1 || after["updated"] != before["updated"] || s.Snapshots["expired"] != 1 || s.Duplicate < n-5 {
		t.Errorf("changes: %v, before that %v, status: %+v", after, before, s)
	}
}

func testMetadataOnly(t *testing.T, cluster *testenv.Cluster) {
	namespace := cluster.NewNamespace(t)
	r := follow(t, cluster.Config(), "configmap?mode=metadata&namespace="+namespace)
	r.createConfigMap(namespace, 0)
	r.wantLive()
	r.createConfigMap(namespace, 1)
	r.settle(configMaps, namespace)
	for _, name := range []string{"cm-0", "cm-1"} {
		c := r.mirror.get(namespace + "/" + name)
		if !strings.HasPrefix(string(c.Object), wire.MetadataOnly) || strings.Contains(string(c.Object), `"data"`) ||
			strings.Contains(string(c.Object), "managedFields") || c.Origin.Kind != "ConfigMap" {
			t.Errorf("object is %s, of kind %s", c.Object, c.Origin.Kind)
		}
	}
}

func testSecrets(t *testing.T, cluster *testenv.Cluster) {
	namespace := cluster.NewNamespace(t)
	r := follow(t, cluster.Config(), "secrets?namespace="+namespace)
	for i := range 2 {
		r.create(secrets, namespace, `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s-%d","annotations":{`+
			`"kubectl.kubernetes.io/last-applied-configuration":"{\"data\":{\"password\":\"aHVudGVyMg==\"}}"}},"data":{"password":"aHVudGVyMg=="}}`, i)
		r.wantLive()
	}
	r.settle(secrets, namespace)
	for i := range 2 {
		if c := r.mirror.get(fmt.Sprintf("%s/s-%d", namespace, i)); strings.Contains(string(c.Object), "aHVudGVyMg") {
			t.Errorf("a value left the member: %s", c.Object)
		}
	}
}

// testCustomResources: the resource comes into being while the stream waits
// for it; its JSON is alphabetical, so that metadata are not at its start.
func testCustomResources(t *testing.T, cluster *testenv.Cluster) {
	wigs := schema.GroupVersionResource{Group: "example.com", Version: "v1", Resource: "wigs"}
	namespace := cluster.NewNamespace(t)
	r := follow(t, cluster.Config(), "wg.example.com?namespace="+namespace)
	r.eventually("the stream to wait", func() string {
		if s := r.stream.Status(); s.State != member.Waiting {
			return string(s.State)
		}
		return ""
	})
	r.stop() // rather than wait for half a minute
	r.create(crds, "", `{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"wigs.example.com"},"spec":{
		"group":"example.com","scope":"Namespaced","names":{"plural":"wigs","singular":"wig","kind":"Wig","shortNames":["wg"]},
		"versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}]}}`)
	r.eventually("the custom resource to be served", func() string {
		if _, err := r.client.Resource(wigs).List(t.Context(), metav1.ListOptions{}); err != nil {
			return err.Error()
		}
		return ""
	})
	r.create(wigs, namespace, `{"apiVersion":"example.com/v1","kind":"Wig","colour":"red","metadata":{"name":"a"}}`)
	// Discovery may lag behind.
	r.eventually("discovery", func() string {
		if _, err := newServed(r.opts.Connection.(*fakeConnection).session.Discovery).resolve(t.Context(), r.opts.Spec); err != nil {
			return err.Error()
		}
		return ""
	})
	r.run()
	r.wantLive()
	r.create(wigs, namespace, `{"apiVersion":"example.com/v1","kind":"Wig","colour":"grey","metadata":{"name":"b"}}`)
	r.settle(wigs, namespace)
	for _, name := range []string{"a", "b"} {
		c := r.mirror.get(namespace + "/" + name)
		if !strings.HasPrefix(string(c.Object), `{"apiVersion":"example.com/v1","colour":`) || strings.Contains(string(c.Object), "managedFields") {
			t.Errorf("object is %s", c.Object)
		}
		if c.Key.Resource != "wigs.example.com" || c.Origin.Kind != "Wig" {
			t.Errorf("key is %s, origin %+v", c.Key, c.Origin)
		}
	}
}

func testCut(t *testing.T, cluster *testenv.Cluster) {
	proxy, err := cluster.NewProxy()
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := proxy.Close(); err != nil {
			t.Error(err)
		}
	}()
	namespace := cluster.NewNamespace(t)
	direct := follow(t, cluster.Config(), "cm?namespace="+namespace)
	r := follow(t, proxy.Config(), "cm?namespace="+namespace)
	defer r.stop()
	direct.createConfigMap(namespace, 0)
	direct.createConfigMap(namespace, 1)
	direct.settle(configMaps, namespace)
	r.wantLive()
	proxy.Cut()
	r.eventually("the stream to fail", func() string {
		if s := r.stream.Status(); s.Reconnects["network"] == 0 {
			return string(s.State)
		}
		return ""
	})
	if err := direct.client.Resource(configMaps).Namespace(namespace).Delete(t.Context(), "cm-0", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	direct.createConfigMap(namespace, 2)
	if err := proxy.Restore(); err != nil {
		t.Fatal(err)
	}
	direct.settle(configMaps, namespace)
	want := direct.mirror.versions()
	r.eventually("the stream to recover", func() string { return cmp.Diff(want, r.mirror.versions()) })
	if s := r.stream.Status(); len(s.Snapshots) != 1 {
		t.Errorf("it needed a snapshot: %+v", s)
	}
}
