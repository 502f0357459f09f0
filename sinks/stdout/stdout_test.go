package stdout_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"testing"

	"go.uber.org/goleak"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks/sinktest"
	"github.com/fairlead-dev/fairlead/sinks/stdout"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	sinktest.Run(t, func(t *testing.T) (pipeline.Sink, func() []pipeline.Event) {
		var out bytes.Buffer
		return stdout.New(&out), func() []pipeline.Event { return parse(t, out.Bytes()) }
	})
}

// parse reads whole lines.
func parse(t *testing.T, text []byte) []pipeline.Event {
	t.Helper()
	if len(text) > 0 && text[len(text)-1] != '\n' {
		t.Fatalf("the last line is unfinished: %.200q", text)
	}
	var events []pipeline.Event
	for line := range bytes.Lines(text) {
		e, err := pipeline.ParseEvent(line)
		if err != nil {
			t.Fatalf("%v: %.200q", err, line)
		}
		events = append(events, e)
	}
	return events
}

// failing takes what it has room for.
type failing struct {
	bytes.Buffer
	room int
}

var errFull = errors.New("full")

func (w *failing) Write(p []byte) (int, error) {
	n := min(w.room, len(p))
	w.room -= n
	w.Buffer.Write(p[:n])
	if n < len(p) {
		return n, errFull
	}
	return n, nil
}

func TestAFailedWriteTearsNoLine(t *testing.T) {
	for room := range 1000 {
		out := &failing{room: room}
		sink := stdout.New(out)
		batch := []*pipeline.Change{change("a"), change("b")}
		if err := sink.Write(t.Context(), batch); err != nil {
			if !errors.Is(err, errFull) {
				t.Fatal(err)
			}
			out.room = 1 << 20
			if err := sink.Write(t.Context(), batch); err != nil {
				t.Fatal(err)
			}
		}
		events := parse(t, out.Bytes())
		if n := len(events); n < 2 || n > 4 || events[n-2].Name != "a" || events[n-1].Name != "b" {
			t.Fatalf("room for %d bytes: %+v", room, events)
		}
	}
}

func change(name string) *pipeline.Change {
	return &pipeline.Change{
		Key: pipeline.Key{Cluster: "alpha", Resource: "pods", Namespace: "ns", Name: name},
		Origin: &pipeline.Origin{Cluster: "alpha", Kind: "Pod", Namespaced: true,
			Resource: schema.GroupVersionResource{Version: "v1", Resource: "pods"}},
		Op: pipeline.Added, UID: "u-1", ResourceVersion: "7", Object: []byte(`{"kind":"Pod"}`),
	}
}

func ExampleNew() {
	sink := stdout.New(os.Stdout)
	c := &pipeline.Change{
		Key: pipeline.Key{Cluster: "alpha", Resource: "pods", Namespace: "ns", Name: "p"},
		Origin: &pipeline.Origin{
			Cluster: "alpha", Kind: "Pod", Namespaced: true,
			Resource: schema.GroupVersionResource{Version: "v1", Resource: "pods"},
		},
		Op: pipeline.Deleted, UID: "u-1", Tombstone: true,
	}
	if err := sink.Write(context.Background(), []*pipeline.Change{c}); err != nil {
		panic(err)
	}
	// Output:
	// {"specversion":"1.0","type":"dev.fairlead.resource.deleted.v1","source":"/clusters/alpha","subject":"/api/v1/namespaces/ns/pods/p","id":"/v1/pods/u-1/deleted","cluster":"alpha","apiversion":"v1","kind":"Pod","namespace":"ns","name":"p","tombstone":true}
}
