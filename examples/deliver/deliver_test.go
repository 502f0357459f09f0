package main

import (
	"context"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/fairlead-dev/fairlead/fairleadtest"
	"github.com/fairlead-dev/fairlead/pipeline"
)

func TestMain(m *testing.M) {
	ctrllog.SetLogger(logr.Discard())
	goleak.VerifyTestMain(m)
}

// keys is a sink that tells which objects it was given, and of which clusters.
type keys chan string

func (k keys) Write(ctx context.Context, batch []*pipeline.Change) error {
	for _, c := range batch {
		select {
		case k <- c.Op.String() + " " + c.Key.String():
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// The program delivers what there is, and what changes; started again it
// delivers what has changed meanwhile, and nothing else.
func TestDeliver(t *testing.T) {
	env := fairleadtest.Start(t, fairleadtest.Spec{Name: "only"})
	httpClient, err := rest.HTTPClientFor(env.Cluster("only").Config())
	if err != nil {
		t.Fatal(err)
	}
	defer httpClient.CloseIdleConnections()
	c, err := client.New(env.Cluster("only").Config(), client.Options{HTTPClient: httpClient})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := fairleadtest.WriteKubeconfig(path, env.Cluster("only")); err != nil {
		t.Fatal(err)
	}
	ledger := "bolt:" + filepath.Join(t.TempDir(), "ledger")
	start := func(sink keys) (stop func()) {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- deliver(ctx, "kubeconfig:"+path, ledger, sink, logr.Discard()) }()
		return func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("deliver: %v", err)
			}
		}
	}
	expect := func(sink keys, want string, others ...string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for {
			select {
			case got := <-sink:
				if got == want {
					return
				}
				if slices.Contains(others, got) {
					t.Fatalf("got %q again", got)
				}
			case <-ctx.Done():
				t.Fatalf("never: %q", want)
			}
		}
	}
	cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "a"}}
	if err := c.Create(t.Context(), cm); err != nil {
		t.Fatal(err)
	}
	first := make(keys)
	stop := start(first)
	expect(first, "added only/configmaps/default/a")
	b := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "b"}}
	if err := c.Create(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	expect(first, "added only/configmaps/default/b")
	go func() { // what else there is
		for range first {
		}
	}()
	stop()
	close(first)

	if err := c.Delete(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	second := make(keys, 100)
	stop = start(second)
	expect(second, "deleted only/configmaps/default/b", "added only/configmaps/default/a", "added only/configmaps/default/b")
	stop()
}
