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

// theHub is a control plane that holds records.
type theHub struct {
	*testenv.Cluster
	line string
}

// Name and Config are those of a kubeconfig's context that leads over the line.
func (h *theHub) Name() string { return "hub" }

func (h *theHub) Config() *rest.Config {
	config := rest.CopyConfig(h.Cluster.Config())
	config.Host = strings.Replace(config.Host, h.Cluster.URL(), "https://"+h.line, 1)
	return config
}

// address is where its API server listens.
func (h *theHub) address() string { return strings.TrimPrefix(h.Cluster.URL(), "https://") }

// Kill is kill -9 of the API server and its etcd, and Start has them back.
func (h *theHub) Kill(t testing.TB) {
	if err := h.Cluster.Kill(); err != nil {
		t.Fatal(err)
	}
}

func (h *theHub) Start(t testing.TB) {
	if err := h.Cluster.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func startHub(t testing.TB, d *destination) {
	t.Helper()
	env, err := testenv.New(t.Context(), testenv.Spec{Name: "hub"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := env.Close(); err != nil {
			t.Error(err)
		}
	})
	h := &theHub{env.Cluster("hub"), d.listens}
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := testenv.WriteKubeconfig(path, h); err != nil {
		t.Fatal(err)
	}
	d.server, d.addr = h, h.address()
	d.sink = "hub:default?install=true&qps=0&timeout=5s&kubeconfig=" + path + "&name=" + theDestination
	d.held, d.marks = h.held, h.marks
	d.takeover = &takeover{prepare: h.StartStandby, move: func(context.Context) error {
		if err := h.FailOver(); err != nil {
			return err
		}
		return d.lead(h.address())
	}}
	// Nobody counts here what a quota of the hub's namespace is about: it is said to be used up.
	quotas := func() (dynamic.ResourceInterface, func(), error) {
		client, end, err := h.client()
		if err != nil {
			return nil, nil, err
		}
		return client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "resourcequotas"}).Namespace("default"), end, nil
	}
	d.more = map[kind]stroke{destinationFull: {
		func(ctx context.Context) error {
			client, end, err := quotas()
			if err != nil {
				return err
			}
			defer end()
			one := map[string]any{"count/records.records.fairlead.dev": "1"}
			quota, err := client.Create(ctx, &unstructured.Unstructured{Object: map[string]any{
				"apiVersion": "v1", "kind": "ResourceQuota", "metadata": map[string]any{"name": "full"},
				"spec": map[string]any{"hard": one},
			}}, metav1.CreateOptions{})
			if err != nil {
				return err
			}
			quota.Object["status"] = map[string]any{"hard": one, "used": one}
			_, err = client.UpdateStatus(ctx, quota, metav1.UpdateOptions{})
			return err
		},
		func(ctx context.Context) error {
			client, end, err := quotas()
			if err != nil {
				return err
			}
			defer end()
			return client.Delete(ctx, "full", metav1.DeleteOptions{})
		},
	}}
}

// client returns one that does not use the line, and what ends its connections.
func (h *theHub) client() (dynamic.Interface, func(), error) {
	httpClient, err := rest.HTTPClientFor(h.Cluster.Config())
	if err != nil {
		return nil, nil, err
	}
	client, err := dynamic.NewForConfigAndClient(h.Cluster.Config(), httpClient)
	return client, httpClient.CloseIdleConnections, err
}

// held returns what exists according to the records.
func (h *theHub) held(ctx context.Context) (map[replay.Object]string, error) {
	held := map[replay.Object]string{}
	return held, h.records(ctx, func(o replay.Object, text func(field string) string) {
		if text("deleted") == "" {
			held[o] = text("resourceVersion")
		}
	})
}

// marks are those of all records, of what is gone too.
func (h *theHub) marks(ctx context.Context) (map[replay.Object]mark, error) {
	marks := map[replay.Object]mark{}
	var errs []error
	err := h.records(ctx, func(o replay.Object, text func(field string) string) {
		m, err := newMark(text("term"), text("sequence"))
		o.UID = ""
		marks[o], errs = m, append(errs, err)
	})
	return marks, errors.Join(append(errs, err)...)
}

// records calls f for each record, with what its fields say.
func (h *theHub) records(ctx context.Context, f func(of replay.Object, text func(field string) string)) error {
	client, end, err := h.client()
	if err != nil {
		return err
	}
	defer end()
	list, err := client.Resource(schema.GroupVersionResource{Group: "records.fairlead.dev", Version: "v1alpha1", Resource: "records"}).
		Namespace("default").List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("list the records: %w", err)
	}
	for _, item := range list.Items {
		text := func(field string) string {
			s, _, textErr := unstructured.NestedString(item.Object, "spec", field)
			err = errors.Join(err, textErr)
			return s
		}
		f(replay.Object{Cluster: text("cluster"), Resource: text("resource"), Namespace: text("namespace"), Name: text("name"), UID: text("uid")}, text)
	}
	return err
}
