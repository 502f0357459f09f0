package hub

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"go.uber.org/goleak"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2" //nolint:depguard // To silence what client-go logs.

	"github.com/fairlead-dev/fairlead/internal/apiclient"
	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
)

func TestMain(m *testing.M) {
	klog.SetLogger(logr.Discard())
	goleak.VerifyTestMain(m)
}

// startHub starts a hub that serves records.
func startHub(t testing.TB, flags ...string) *testenv.Cluster {
	t.Helper()
	c := testenv.Start(t, testenv.Spec{Name: "hub", APIServerFlags: flags}).Clusters[0]
	s := open(t, c.Config(), "default", func(o *Options) { o.Install = true })
	if err := s.install(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

// open returns a sink without limits that is closed with the test.
func open(t testing.TB, config *rest.Config, namespace string, change ...func(*Options)) *Sink {
	t.Helper()
	o := Options{
		Namespace: namespace, Full: true, Timeout: 20 * time.Second, Log: logr.Discard(),
		Config: func() (*rest.Config, error) { return rest.CopyConfig(config), nil },
	}
	for _, c := range change {
		c(&o)
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// held returns what the sink reads back of the resources that the suite writes.
func held(t testing.TB, s *Sink) []sinks.Held {
	t.Helper()
	var all []sinks.Held
	for _, resource := range []string{"configmaps", "clusterroles.rbac.authorization.k8s.io"} {
		if err := s.ReadBack(t.Context(), "alpha", resource, func(h sinks.Held) error {
			all = append(all, h)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// all returns every record of the sink's namespace, by the object's name.
func all(t testing.TB, s *Sink) map[string]record {
	t.Helper()
	found := map[string]record{}
	if err := s.list(t.Context(), "", 2, func(r *record) error {
		found[r.Spec.Name] = *r
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return found
}

// state returns version v of a ConfigMap.
func state(name string, v int) *pipeline.Change {
	op := pipeline.Updated
	if v == 1 {
		op = pipeline.Added
	}
	return &pipeline.Change{
		Key: pipeline.Key{Cluster: "alpha", Resource: "configmaps", Namespace: "ns", Name: name},
		Origin: &pipeline.Origin{
			Cluster: "alpha", ClusterUID: "6d1f0b1e", Kind: "ConfigMap", Namespaced: true, Term: 1,
			Resource: schema.GroupVersionResource{Version: "v1", Resource: "configmaps"},
		},
		Op: op, UID: types.UID("uid of " + name), ResourceVersion: strconv.Itoa(v),
		Object:   []byte(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"` + name + `"},"data":{"v":"` + strconv.Itoa(v) + `"}}`),
		Observed: time.Date(2026, 1, 2, 3, 4, 5, v*1000, time.UTC), Sequence: uint64(v),
	}
}

// gone returns the deletion that is told as version v.
func gone(name string, v int) *pipeline.Change {
	c := state(name, v)
	c.Op = pipeline.Deleted
	return c
}

func write(t testing.TB, s *Sink, batch ...*pipeline.Change) {
	t.Helper()
	if err := s.Write(t.Context(), batch); err != nil {
		t.Fatalf("Write: %v", err)
	}
}

// refusalOf returns why the only change of a batch was refused.
func refusalOf(t testing.TB, err error) error {
	t.Helper()
	partial, ok := errors.AsType[*pipeline.BatchError](err)
	if !ok || partial.Failed[0] == nil {
		t.Fatalf("Write: %v, want a refusal of the change", err)
	}
	return partial.Failed[0]
}

// ask makes a request as an administrator, which has to succeed.
func ask(ctx context.Context, t testing.TB, s *Sink, method, path, contentType, body string, query url.Values) []byte {
	t.Helper()
	text, err := s.client.Do(ctx, apiclient.Call{Method: method, Path: path, Query: query, ContentType: contentType, Body: []byte(body)}, 1<<24)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return text
}

// apply applies an object.
func apply(t testing.TB, s *Sink, path, object string) {
	t.Helper()
	if !json.Valid([]byte(object)) {
		t.Fatalf("no JSON: %s", object)
	}
	ask(t.Context(), t, s, http.MethodPatch, path, apiclient.TypeApply, object, url.Values{"fieldManager": {"test"}, "force": {"true"}})
}
