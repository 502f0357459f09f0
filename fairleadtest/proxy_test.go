package fairleadtest_test

import (
	"context"
	"errors"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/fairlead-dev/fairlead/fairleadtest"
	"github.com/fairlead-dev/fairlead/internal/testenv"
)

func TestProxyFaults(t *testing.T) {
	env := fairleadtest.Start(t, fairleadtest.Spec{Name: "a"})
	cluster := env.Clusters[0]
	proxy, err := cluster.NewProxy()
	if err != nil {
		t.Fatal(err)
	}
	direct := testenv.NewConfigMaps(t, cluster.Config(), "default")
	through := testenv.NewConfigMaps(t, proxy.Config(), "default")
	made, err := through.Create(t.Context(), "before")
	if err != nil {
		t.Fatal(err)
	}

	t.Run("cut", func(t *testing.T) {
		changes, err := through.Watch(t.Context(), made.ResourceVersion)
		if err != nil {
			t.Fatal(err)
		}
		defer changes.Stop()
		proxy.Cut()
		proxy.Cut() // Twice is as good as once.
		if event, open := <-changes.ResultChan(); open {
			t.Errorf("the watch through the cut shows %v, want its end", event)
		}
		if _, err := through.Get(t.Context(), "before"); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("get through the cut: got %v, want connection refused", err)
		}
		if _, err := direct.Get(t.Context(), "before"); err != nil {
			t.Errorf("get past the cut: %v", err)
		}
		restore(t, proxy)
		if _, err := through.Get(t.Context(), "before"); err != nil {
			t.Errorf("get after the cut: %v", err)
		}
	})

	t.Run("black hole", func(t *testing.T) {
		changes, err := through.Watch(t.Context(), made.ResourceVersion)
		if err != nil {
			t.Fatal(err)
		}
		defer changes.Stop()
		if err := proxy.BlackHole(); err != nil {
			t.Fatal(err)
		}
		if _, err := direct.Create(t.Context(), "in-the-dark"); err != nil {
			t.Fatal(err)
		}
		short, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		if _, err := testenv.NewConfigMaps(t, proxy.Config(), "default").Get(short, "before"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("get on a new connection: got %v, want no answer", err)
		}
		select {
		case event := <-changes.ResultChan():
			t.Errorf("the watch shows %v, want silence", event)
		default:
		}
		restore(t, proxy)
		if got := testenv.Next(t, changes).Object.(*corev1.ConfigMap).Name; got != "in-the-dark" {
			t.Errorf("after the black hole the watch shows %s, want in-the-dark", got)
		}
	})

	t.Run("slow", func(t *testing.T) {
		const latency = 100 * time.Millisecond
		if err := proxy.Slow(latency, 0); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if _, err := through.Get(t.Context(), "before"); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took < 2*latency {
			t.Errorf("a request and its answer took %v with a latency of %v", took, latency)
		}
		restore(t, proxy)
	})
}

func restore(t *testing.T, proxy *fairleadtest.Proxy) {
	t.Helper()
	if err := proxy.Restore(); err != nil {
		t.Fatal(err)
	}
}
