package file

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks/sinktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	sinktest.Run(t, func(t *testing.T) (pipeline.Sink, func() []pipeline.Event) {
		path := filepath.Join(t.TempDir(), "changes.jsonl")
		return mustOpen(t, path), func() []pipeline.Event { return events(t, path) }
	})
}

var podOrigin = &pipeline.Origin{
	Cluster: "alpha", Kind: "Pod", Namespaced: true,
	Resource: schema.GroupVersionResource{Version: "v1", Resource: "pods"},
}

func pod(name string) *pipeline.Change {
	return &pipeline.Change{
		Key:    pipeline.Key{Cluster: "alpha", Resource: "pods", Namespace: "ns", Name: name},
		Origin: podOrigin, Op: pipeline.Added, UID: "u-1", ResourceVersion: "7", Object: []byte(`{"kind":"Pod"}`),
	}
}

func batchOf(names ...string) []*pipeline.Change {
	var batch []*pipeline.Change
	for _, name := range names {
		batch = append(batch, pod(name))
	}
	return batch
}

func mustOpen(t *testing.T, path string) *Sink {
	t.Helper()
	s, err := Open(path)
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

func mustWrite(t *testing.T, s *Sink, names ...string) {
	t.Helper()
	if err := s.Write(t.Context(), batchOf(names...)); err != nil {
		t.Fatal(err)
	}
}

// events reads the file, which must hold whole events only.
func events(t *testing.T, path string) []pipeline.Event {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(text) > 0 && text[len(text)-1] != '\n' {
		t.Fatalf("%s ends in an unfinished line", path)
	}
	var all []pipeline.Event
	for line := range bytes.Lines(text) {
		e, err := pipeline.ParseEvent(line)
		if err != nil {
			t.Fatalf("%v: %.300q", err, line)
		}
		all = append(all, e)
	}
	return all
}

// holds checks which objects the file tells of, in order.
func holds(t *testing.T, path, want string) {
	t.Helper()
	var names []string
	for _, e := range events(t, path) {
		names = append(names, e.Name)
	}
	if got := strings.Join(names, " "); got != want {
		t.Errorf("%s tells of %q, want %q", filepath.Base(path), got, want)
	}
}

// What opening, appending and reopening do is tested with the lines; here,
// that they know an event when they see half of one.
func TestOpenRemovesHalfAnEvent(t *testing.T) {
	whole := string(pod("whole").AppendCloudEvent(nil)) + "\n"
	for _, half := range []string{whole[:1], whole[:len(eventStart)], whole[:len(eventStart)+9], whole[:len(whole)-2]} {
		path := filepath.Join(t.TempDir(), "out")
		if err := os.WriteFile(path, []byte(whole+half), 0o600); err != nil {
			t.Fatal(err)
		}
		mustWrite(t, mustOpen(t, path), "next")
		holds(t, path, "whole next")
	}
}

func TestReopenAfterRotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	s := mustOpen(t, path)
	mustWrite(t, s, "a")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, s, "b") // rotated, but nobody has told us yet
	s.Reopen()
	mustWrite(t, s, "c", "d")
	holds(t, path+".1", "a b")
	holds(t, path, "c d")
}
