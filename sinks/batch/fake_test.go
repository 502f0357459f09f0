package batch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairlead-dev/fairlead/pipeline"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var testOrigin = &pipeline.Origin{
	Cluster: "alpha", Kind: "ConfigMap", Namespaced: true,
	Resource: schema.GroupVersionResource{Version: "v1", Resource: "configmaps"},
}

// change returns a state of an object, told apart by name and version.
func change(name string, version int) *pipeline.Change {
	return &pipeline.Change{
		Key:    pipeline.Key{Cluster: "alpha", Resource: "configmaps", Namespace: "ns", Name: name},
		Origin: testOrigin, Op: pipeline.Updated, ResourceVersion: strconv.Itoa(version),
	}
}

func label(c *pipeline.Change) string { return c.Key.Name + c.ResourceVersion }

// fakeSink notes every write and asks answer what to say to it.
type fakeSink struct {
	answer func(ctx context.Context, batch []string) error

	mu      sync.Mutex
	writes  [][]string
	writing bool
}

func (s *fakeSink) Write(ctx context.Context, batch []*pipeline.Change) error {
	labels := make([]string, len(batch))
	for i, c := range batch {
		labels[i] = label(c)
	}
	s.mu.Lock()
	if s.writing {
		panic("two writes at once")
	}
	s.writing = true
	s.writes = append(s.writes, labels)
	s.mu.Unlock()
	var err error
	if s.answer != nil {
		err = s.answer(ctx, labels)
	}
	s.mu.Lock()
	s.writing = false
	s.mu.Unlock()
	return err
}

// wholly returns a sink whose writes take so long, and that refuses each that has poison in it
// as a whole.
func wholly(took time.Duration, poison func(label string) bool) *fakeSink {
	return &fakeSink{answer: func(_ context.Context, batch []string) error {
		time.Sleep(took)
		if slices.ContainsFunc(batch, poison) {
			return pipeline.Permanent(errors.New("poison"))
		}
		return nil
	}}
}

// isP is any version of what is named so.
func isP(label string) bool { return strings.HasPrefix(label, "p") }

// isP1 is one version.
func isP1(label string) bool { return label == "p1" }

func (s *fakeSink) written() [][]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.writes)
}

// start runs a batcher on the sink until the test ends or stop is called.
func start(t *testing.T, sink pipeline.Sink, opts Options) (b *Batcher, stop func()) {
	t.Helper()
	b = New("test", sink, opts)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	return b, stop
}

// taken expects that nothing is refused.
func taken(tb testing.TB) func(int, error) {
	return func(i int, refused error) {
		if refused != nil {
			tb.Errorf("change %d was refused: %v", i, refused)
		}
	}
}

// outcomeOf delivers the changes and returns what was told of each, by its label:
// "" for what was accepted.
func outcomeOf(t *testing.T, b *Batcher, changes ...*pipeline.Change) map[string]string {
	t.Helper()
	told := map[string]string{}
	if err := b.Deliver(t.Context(), func(i int, refused error) {
		if _, again := told[label(changes[i])]; again {
			t.Errorf("%s was told of twice", label(changes[i]))
		}
		told[label(changes[i])] = ""
		if refused != nil {
			told[label(changes[i])] = refused.Error()
		}
	}, changes...); err != nil {
		t.Error(err)
	}
	return told
}

// failing returns a partial failure of the changes with these labels.
func failing(batch []string, reasons map[string]error) error {
	e := &pipeline.BatchError{Failed: map[int]error{}}
	for i, l := range batch {
		if err, ok := reasons[l]; ok {
			e.Failed[i] = err
		}
	}
	if len(e.Failed) == 0 {
		return nil
	}
	return fmt.Errorf("write: %w", e)
}
