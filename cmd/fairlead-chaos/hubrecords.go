package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/internal/replay"
	"github.com/fairlead-dev/fairlead/internal/testenv"
)

// recordsIn is where the records are.
const recordsIn = "default"

// hubRecords is a control plane of its own that holds the records of the fleet. They are
// read with client-go, by nothing of the sink's.
type hubRecords struct{ *testenv.Cluster }

// Kill implements killable: API server and etcd crash.
func (h hubRecords) Kill(t testing.TB) {
	t.Helper()
	if err := h.Cluster.Kill(); err != nil {
		t.Fatal(err)
	}
}

// Start implements killable.
func (h hubRecords) Start(t testing.TB) {
	t.Helper()
	if err := h.Cluster.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// at is a control plane that is reached at another address.
type at struct {
	*testenv.Cluster
	address string
}

// Config says how to reach it there.
func (a at) Config() *rest.Config {
	config := rest.CopyConfig(a.Cluster.Config())
	config.Host = "https://" + a.address
	return config
}

func startHubRecords(t testing.TB) started {
	t.Helper()
	h := hubRecords{testenv.Start(t, testenv.Spec{Name: "records"}).Clusters[0]}
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	return started{h, strings.TrimPrefix(h.Config().Host, "https://"), func(d *destination, address string) {
		d.sink = "hub:" + recordsIn + "?install=true&qps=0&timeout=5s&kubeconfig=" + kubeconfig + "&name=" + theDestination
		d.held = h.held
		if err := testenv.WriteKubeconfig(kubeconfig, at{h.Cluster, address}); err != nil { // so nothing arrives either
			d.held = func(context.Context) (map[replay.Object]string, error) { return nil, err }
		}
		d.more = map[kind]stroke{
			// It accepts connections and answers nothing.
			"destination-paused": {
				func(context.Context) error { return h.Pause() },
				func(context.Context) error { return h.Resume() },
			},
		}
	}}
}

// held returns what exists, each object with its resourceVersion.
func (h hubRecords) held(ctx context.Context) (_ map[replay.Object]string, err error) {
	config := h.Config()
	web, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, err
	}
	defer web.CloseIdleConnections()
	client, err := dynamic.NewForConfigAndClient(config, web)
	if err != nil {
		return nil, err
	}
	records := schema.GroupVersionResource{Group: "records.fairlead.dev", Version: "v1alpha1", Resource: "records"}
	list, err := client.Resource(records).Namespace(recordsIn).List(ctx, metav1.ListOptions{LabelSelector: "!deleted"})
	if err != nil {
		return nil, fmt.Errorf("read the records back: %w", err)
	}
	held := map[replay.Object]string{}
	for i := range list.Items {
		spec, ok, err := unstructured.NestedMap(list.Items[i].Object, "spec")
		if err != nil || !ok {
			return nil, errors.Join(err, errors.New("a record without spec"))
		}
		field := func(name string) string {
			text, _ := spec[name].(string)
			return text
		}
		o := replay.Object{Cluster: field("cluster"), Resource: field("resource"), Namespace: field("namespace"), Name: field("name"), UID: field("uid")}
		if _, twice := held[o]; twice {
			return nil, fmt.Errorf("two records of %s", o)
		}
		held[o] = field("resourceVersion")
	}
	return held, nil
}
