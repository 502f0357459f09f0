package app

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
	"github.com/fairlead-dev/fairlead/sinks/batch"
)

// TestFaultsOfADestinationAreNoDeadLetters: a sink as the program opens it names the cause
// in its status, keeps its changes, and delivers them once the fault is mended.
func TestFaultsOfADestinationAreNoDeadLetters(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	writeFile(t, token, "wrong")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Authorization") != "Bearer right":
			w.WriteHeader(http.StatusUnauthorized)
		case r.URL.Path != "/in":
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer server.Close()
	for _, fault := range []struct{ sink, token, want string }{
		{server.URL + "/in?token-file=" + token, "wrong", "401 Unauthorized; check token-file"},
		{server.URL + "/in?format=batch&token-file=" + token, "wrong", "401 Unauthorized; check token-file"},
		{server.URL + "/elsewhere?token-file=" + token, "right", "404 Not Found; check the path of the URL"},
		{"http://" + freeAddress(t), "", "connection refused; nothing listens there"},
	} {
		t.Run(fault.want, func(t *testing.T) {
			writeFile(t, token, fault.token)
			mend := func() { writeFile(t, token, "right") }
			if fault.token != "wrong" {
				mend = nil
			}
			noDeadLetters(t, fault.sink, fault.want, nil, mend)
		})
	}
}

// noDeadLetters opens a sink as the program does and delivers to it, first before there is
// a fault if fault is given. While there is one the status must say what is wanted, and no
// change may be a dead letter. Once it is mended all must be delivered; nil: it never is.
func noDeadLetters(t *testing.T, text, want string, fault, mend func()) {
	t.Helper()
	all := samplePods(10) // of which half are written after the fault: a bucket would not write the others again
	spec, err := new(Options).sinkKinds().Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	sink, err := spec.Open(t.Context(), sinks.Env{Log: logr.Discard(), Registerer: prometheus.NewRegistry(), UserAgent: "fairlead/test"})
	if err != nil {
		t.Fatal(err)
	}
	if c, ok := sink.(io.Closer); ok {
		defer c.Close()
	}
	b := batch.New(spec.Identity, sink, batch.Options{
		MaxBatch: spec.MaxBatch, Concurrency: spec.Concurrency, ReconnectMin: time.Millisecond, ReconnectMax: 10 * time.Millisecond,
		DeadLetter: func(c *pipeline.Change, reason error, _ int) error {
			t.Errorf("%s is a dead letter: %v", c.Key, reason)
			return nil
		},
	})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	ended, delivered := make(chan error, 1), make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	deliver := func(some []*pipeline.Change) {
		delivered <- b.Deliver(ctx, func(i int, refused error) {
			if refused != nil {
				t.Errorf("change %d is refused: %v", i, refused)
			}
		}, some...)
	}
	half := len(all) / 2
	if fault != nil {
		if deliver(all[:half]); <-delivered != nil {
			t.Fatal("without a fault nothing is delivered")
		}
		fault()
	}
	go deliver(all[half:])
	awaitStatus(t, func() bool { return strings.Contains(b.Status().LastError, want) && !b.Status().Healthy })
	if mend != nil {
		mend()
		if err := <-delivered; err != nil {
			t.Errorf("after it was mended: %v", err)
		}
		if !b.Status().Healthy {
			t.Errorf("after it was mended: %+v", b.Status())
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func samplePods(n int) (all []*pipeline.Change) {
	origin := &pipeline.Origin{Cluster: "alpha", Kind: "Pod", Namespaced: true, Resource: schema.GroupVersionResource{Version: "v1", Resource: "pods"}}
	for i := range n {
		name := string(rune('a' + i))
		all = append(all, &pipeline.Change{
			Key: pipeline.Key{Cluster: "alpha", Resource: "pods", Namespace: "ns", Name: name}, Origin: origin,
			Op: pipeline.Added, UID: types.UID("u-" + name), ResourceVersion: "1", Object: []byte(`{"kind":"Pod"}`),
		})
	}
	return all
}

// awaitStatus waits until it is so.
func awaitStatus(t *testing.T, so func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for !so() {
		select {
		case <-again.C:
		case <-ctx.Done():
			t.Fatal("it does not happen")
		}
	}
}
