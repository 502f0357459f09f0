package sources

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/sources/fleet"
	states "github.com/fairlead-dev/fairlead/sources/member"
)

// crdClient makes custom resources of group example.com, each called NAME or, in the
// plural, NAMEs.
type crdClient struct {
	tb     testing.TB
	client dynamic.Interface
}

func newCRDClient(tb testing.TB, c *testenv.Cluster) crdClient {
	tb.Helper()
	config := c.Config()
	config.QPS, config.Burst = 100, 100
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		tb.Fatal(err)
	}
	return crdClient{tb, client}
}

var crds = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}

func (c crdClient) install(name string) {
	c.tb.Helper()
	open := map[string]any{"openAPIV3Schema": map[string]any{"type": "object", "x-kubernetes-preserve-unknown-fields": true}}
	crd := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
		"metadata": map[string]any{"name": name + "s.example.com"},
		"spec": map[string]any{
			"group": "example.com", "scope": "Namespaced",
			"names":    map[string]any{"plural": name + "s", "singular": name, "kind": strings.ToUpper(name[:1]) + name[1:]},
			"versions": []any{map[string]any{"name": "v1", "served": true, "storage": true, "schema": open}},
		},
	}}
	if _, err := c.client.Resource(crds).Create(c.tb.Context(), crd, metav1.CreateOptions{}); err != nil {
		c.tb.Fatal(err)
	}
}

func (c crdClient) uninstall(name string) {
	c.tb.Helper()
	if err := c.client.Resource(crds).Delete(c.tb.Context(), name+"s.example.com", metav1.DeleteOptions{}); err != nil {
		c.tb.Fatal(err)
	}
}

func (c crdClient) create(kind, name string) error {
	o := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "example.com/v1", "kind": strings.ToUpper(kind[:1]) + kind[1:], "metadata": map[string]any{"name": name, "namespace": "default"},
	}}
	_, err := c.client.Resource(schema.GroupVersionResource{Group: "example.com", Version: "v1", Resource: kind + "s"}).
		Namespace("default").Create(c.tb.Context(), o, metav1.CreateOptions{})
	return err
}

// named returns where a stream of the only member stands.
func (h *harness) named(name string) (s StreamStatus, ok bool) {
	for _, m := range h.sources.Status() {
		i := slices.IndexFunc(m.Streams, func(st StreamStatus) bool { return st.Stream == name })
		if i >= 0 {
			return m.Streams[i], true
		}
	}
	return s, false
}

// all reports whether all streams of the only member, at least so many, are live.
func (h *harness) all(least int) bool {
	streams := h.sources.Status()[0].Streams
	return len(streams) >= least && !slices.ContainsFunc(streams, func(st StreamStatus) bool { return st.State != states.Live })
}

func surveyOften(o *Options) {
	o.Config.Stream.SurveyInterval = 200 * time.Millisecond
	o.Config.Connection.QPS, o.Config.Connection.Burst = 1000, 1000
}

// A CRD is installed and removed while a real member is followed as a whole; and somebody
// who may read little follows it.
func TestRealWildcard(t *testing.T) {
	env := testenv.Start(t, testenv.Spec{Name: "a"})
	c := newRealCluster(t, env.Cluster("a"), "x")
	crd := newCRDClient(t, c.cluster)
	h := startWith(t, ledgerOf(t), []string{"a"}, surveyOften, "*", "secrets?mode=metadata")
	h.sources.Set(fleet.Member{Name: "m", REST: c.cluster.Config()})
	h.await("all to be live", func() bool { return h.all(40) })
	for _, name := range []string{"configmaps", "nodes", "deployments.apps", "customresourcedefinitions.apiextensions.k8s.io", "secrets?mode=metadata"} {
		if _, ok := h.named(name); !ok {
			t.Errorf("there is no stream of %s", name)
		}
	}
	survey := h.sources.Status()[0].Survey
	for _, resource := range []string{"events", "events.events.k8s.io", "leases.coordination.k8s.io", "tokenreviews.authentication.k8s.io", "bindings"} {
		if !slices.ContainsFunc(survey.LeftOut, func(l LeftOut) bool { return l.Resource == resource }) {
			t.Errorf("%s is not left out", resource)
		}
		if st, ok := h.named(resource); ok {
			t.Errorf("it is followed: %+v", st)
		}
	}

	crd.install("gizmo")
	h.await("gizmos to join", func() bool {
		st, ok := h.named("gizmos.example.com")
		return ok && st.State == states.Live
	})
	if err := crd.create("gizmo", "one"); err != nil {
		t.Fatal(err)
	}
	told := func(what string) func() bool {
		return func() bool {
			return slices.ContainsFunc(h.queue.told(), func(s string) bool { return strings.HasPrefix(s, what) })
		}
	}
	h.await("the gizmo to be told", told("added one "))
	crd.uninstall("gizmo")
	h.await("its deletion to be told", told("deleted one "))
	h.await("its stream to end", func() bool {
		_, ok := h.named("gizmos.example.com")
		return !ok
	})
	h.await("the rest to be live", func() bool { return h.all(40) })
	h.sources.Remove("m")
	h.await("the member to leave", func() bool { return len(h.sources.Status()) == 0 })

	h.sources.Set(fleet.Member{Name: "n", REST: c.reader()})
	h.await("what is forbidden to wait", func() bool {
		m := h.sources.Status()[0]
		return len(m.Streams) >= 40 && !slices.ContainsFunc(m.Streams, func(st StreamStatus) bool { return st.State != states.Waiting || st.Reason != "forbidden" })
	})
}

// BenchmarkWildcard has a member with 200 CRDs followed as a whole: how long that takes,
// and what its streams take in memory.
func BenchmarkWildcard(b *testing.B) {
	env, err := testenv.New(b.Context(), testenv.Spec{Name: "a"})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = env.Close() })
	crd := newCRDClient(b, env.Cluster("a"))
	for i := range 200 {
		crd.install(fmt.Sprintf("gizmo%03d", i))
	}
	for b.Loop() {
		specs, err := ParseSpecs("*")
		if err != nil {
			b.Fatal(err)
		}
		q := newQueue()
		s := New(Options{Specs: specs, Routes: []Route{{Name: "a", Queue: q}}})
		before := settled()
		ctx, stop := context.WithCancel(b.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		began := time.Now()
		s.Set(fleet.Member{Name: "m", REST: env.Cluster("a").Config()})
		again := time.NewTicker(20 * time.Millisecond)
		for live := 0; live < 240; {
			select {
			case <-again.C:
			case <-b.Context().Done():
				b.Fatal("not all streams have become live")
			}
			live = 0
			for _, st := range s.Status()[0].Streams {
				if st.State == states.Live {
					live++
				}
			}
		}
		again.Stop()
		took := time.Since(began)
		after := settled()
		streams := float64(len(s.Status()[0].Streams))
		b.ReportMetric(took.Seconds(), "s-to-live")
		b.ReportMetric(streams, "streams")
		b.ReportMetric(float64(after.heap-before.heap)/streams/1024, "KiB-heap/stream")
		b.ReportMetric(float64(after.stack-before.stack)/streams/1024, "KiB-stack/stream")
		stop()
		if err := <-done; err != nil {
			b.Error(err)
		}
		close(q.stop)
		<-q.done
	}
}

type memory struct{ heap, stack int64 }

// settled returns what is in use once garbage is collected.
func settled() memory {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return memory{int64(m.HeapInuse), int64(m.StackInuse)}
}
