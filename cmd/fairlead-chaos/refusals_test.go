package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
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
	"github.com/fairlead-dev/fairlead/sinks/kafka"
	"github.com/fairlead-dev/fairlead/sinks/nats"
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
// destination makes a dead letter, and in the end it holds what was written last. Those
// that need no program are tried here, without Fairlead around the sink.
func TestRefusals(t *testing.T) {
	kinds := sinks.Kinds{kafka.Kind(), nats.Kind()}
	for _, name := range []string{"kafka", "nats", "nats-bucket"} {
		t.Run(name, func(t *testing.T) {
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
			spec, err := kinds.Parse(strings.Replace(d.sink, "timeout=10s", "timeout=5s", 1))
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
			for k := range d.more {
				t.Run(string(k), func(t *testing.T) {
					s := d.stroke(k, rand.New(rand.NewPCG(1, 1)))
					if err := s.begin(t.Context()); err != nil {
						t.Fatal(err)
					}
					w.last++
					w.objects++ // A bucket that is full takes states of keys that it has.
					if k == "destination-fails-over" {
						w.until(t) // by the other one
					} else {
						err := w.write(t.Context())
						if err == nil {
							t.Error("accepted")
						}
						wantForNow(t, err)
					}
					if err := s.end(t.Context()); err != nil {
						t.Fatal(err)
					}
					w.until(t)
					w.last++
					w.until(t)
				})
			}
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
		})
	}
}
