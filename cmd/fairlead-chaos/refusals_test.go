package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fairlead-dev/fairlead/cmd/internal/lab"
	"github.com/fairlead-dev/fairlead/internal/replay"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
	httpsink "github.com/fairlead-dev/fairlead/sinks/http"
	"github.com/fairlead-dev/fairlead/sinks/hub"
	"github.com/fairlead-dev/fairlead/sinks/kafka"
	"github.com/fairlead-dev/fairlead/sinks/nats"
	"github.com/fairlead-dev/fairlead/sinks/otlp"
	"github.com/fairlead-dev/fairlead/sinks/s3"
)

// writing is a sink of Fairlead that leads to a destination, and what it was given last.
type writing struct {
	pipeline.Sink
	objects int    // how many there are
	last    uint64 // version of each
}

// write writes the last state of each object.
func (w *writing) write(ctx context.Context) error {
	var batch []*pipeline.Change
	for i := range w.objects {
		name, version := fmt.Sprint("o-", i), strconv.FormatUint(w.last, 10)
		batch = append(batch, &pipeline.Change{
			Key: pipeline.Key{Cluster: "m", Resource: "configmaps", Namespace: "n", Name: name},
			Origin: &pipeline.Origin{
				Cluster: "m", ClusterUID: "cluster", Kind: "ConfigMap", Namespaced: true, Term: 1,
				Resource: schema.GroupVersionResource{Version: "v1", Resource: "configmaps"},
			},
			Op: pipeline.Updated, UID: types.UID(name), ResourceVersion: version, Sequence: w.last,
			Object: fmt.Appendf(nil, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"namespace":"n","name":%q,"uid":%q,"resourceVersion":%q}}`, name, name, version),
		})
	}
	return w.Sink.Write(ctx, batch)
}

// until writes until that is accepted, as Fairlead does: what is newer comes after that.
// Nothing may be refused for good meanwhile.
func (w *writing) until(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := lab.WaitUntil(ctx, 20*time.Millisecond, func() error {
		err := w.write(ctx)
		wantForNow(t, err)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// isRefused fails unless what is written is refused once begin has been noticed.
func (w *writing) isRefused(t *testing.T, begin func() error) {
	t.Helper()
	if err := begin(); err != nil {
		t.Fatal(err)
	}
	until(t, "it refuses", func() bool {
		w.last++
		w.objects++ // A bucket that is full takes states of keys that it has.
		err := w.write(t.Context())
		wantForNow(t, err)
		return err != nil
	})
}

// goesOn writes one state after the other during begin, and one more, until each is accepted.
func (w *writing) goesOn(t *testing.T, begin func() error) {
	t.Helper()
	begun := make(chan error, 1)
	go func() { begun <- begin() }()
	for {
		w.last++
		w.until(t)
		select {
		case err := <-begun:
			if err != nil {
				t.Fatal(err)
			}
			w.last++
			w.until(t)
			return
		default:
		}
	}
}

// isHeld fails unless the destination holds the last state of each object.
func (w *writing) isHeld(t *testing.T, d *destination) {
	t.Helper()
	held := map[replay.Object]string{}
	for i := range w.objects {
		name := fmt.Sprint("o-", i)
		held[replay.Object{Cluster: "m", Resource: "configmaps", Namespace: "n", Name: name, UID: name}] = strconv.FormatUint(w.last, 10)
	}
	f, err := d.check(t.Context(), held, []string{"m"}, delivery{})
	if err != nil {
		t.Fatal(err)
	}
	if wrong := slices.Concat(f.all(), f.ByID.all(), f.ByNumber.all()); len(wrong) > 0 || f.Events == 0 {
		t.Errorf("%d events: %q", f.Events, wrong)
	}
}

// wantForNow fails the test if an error of a write, or of a change in it, is for good.
func wantForNow(t *testing.T, err error) {
	t.Helper()
	all := []error{err}
	if partial, ok := errors.AsType[*pipeline.BatchError](err); ok {
		all = slices.Collect(maps.Values(partial.Failed))
	}
	if slices.ContainsFunc(all, pipeline.IsPermanent) {
		t.Errorf("refused for good: %v", err)
	}
}

// What a destination refuses for now it takes once it does not any more: no fault of a
// destination makes a dead letter, and in the end it holds what was written last, also if
// its server dies in the middle of a request and another one takes over. Here there is no
// Fairlead around the sink.
func TestRefusals(t *testing.T) {
	kinds := sinks.Kinds{httpsink.Kind(), hub.Kind(), kafka.Kind(), nats.Kind(), otlp.Kind(), s3.Kind()}
	for _, name := range destinationNames() {
		if name == "postgres" { // Runs of a minute have these faults.
			continue
		}
		t.Run(name, func(t *testing.T) {
			if !allDestinations && (name == "hub" || name == "nats-cluster") {
				t.Skip("it takes seconds to find a leader, or to start: make test-sinks")
			}
			requireDestination(t, name)
			d, err := startDestination(t.Context(), name, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := d.close(); err != nil {
					t.Error(err)
				}
			}()
			// A write that hangs is given up soon.
			spec, err := kinds.Parse(strings.Replace(d.sink, "timeout=10s", "timeout=2s", 1))
			if err != nil {
				t.Fatal(err)
			}
			sink, err := spec.Open(t.Context(), sinks.Env{Log: logr.Discard(), Registerer: prometheus.NewRegistry()})
			if err != nil {
				t.Fatal(err)
			}
			defer sink.(io.Closer).Close()

			w := &writing{Sink: sink, objects: 8, last: 1} // so that more than one partition has some
			w.until(t)
			run := func(name string, s stroke, amid func(*testing.T, func() error)) {
				t.Run(name, func(t *testing.T) {
					amid(t, func() error { return s.begin(t.Context()) })
					if err := s.end(t.Context()); err != nil {
						t.Fatal(err)
					}
					w.until(t)
					w.last++
					w.until(t)
					w.isHeld(t, d)
				})
			}
			for k, s := range d.more {
				run(string(k), s, w.isRefused)
			}
			if d.takeover != nil {
				for i, on := range keepsAnswer { // The second time the first server takes over again.
					run(fmt.Sprint(destinationFailsOver, "-", i+1), d.failsOver(on), w.goesOn)
				}
				if d.failovers != len(keepsAnswer) || d.amid == 0 {
					t.Errorf("%d failovers, of which %d in the middle of a request", d.failovers, d.amid)
				}
			}
		})
	}
}
