package sources

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
	"github.com/fairlead-dev/fairlead/pipeline/stage"
	"github.com/fairlead-dev/fairlead/sources/fleet"
)

// A Sources without a ledger has one in memory, and runs it.
func TestWithoutALedgerItIsInMemory(t *testing.T) {
	specs, err := ParseSpecs("configmaps")
	if err != nil {
		t.Fatal(err)
	}
	q := stage.NewQueue(queue.Options[*pipeline.Change, pipeline.Key]{})
	defer q.ShutDown()
	removed := make(chan string, 1)
	s := New(Options{
		Specs: specs, Routes: []Route{{Name: "a", Queue: q}}, Removed: func(cluster string) { removed <- cluster },
		Config: Config{Connection: ConnectionConfig{ConnectTimeout: time.Second}},
	})
	stop := background(t, s.Run)
	defer stop()
	s.Set(fleet.Member{Name: "nobody", REST: &rest.Config{Host: "http://127.0.0.1:1"}})
	if _, err := s.Replay(t.Context(), "nobody", ""); err != nil {
		t.Errorf("Replay: %v", err)
	}
	s.Remove("nobody")
	if cluster := <-removed; cluster != "nobody" {
		t.Errorf("removed %q", cluster)
	}
}

func TestOpenLedger(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger")
	l, err := OpenLedger(t.Context(), "bolt:"+path, LedgerOptions{Routes: []string{"a"}})
	if err != nil {
		t.Fatal(err)
	}
	stop := background(t, l.Run)
	if _, err := OpenLedger(t.Context(), "bolt:"+path, LedgerOptions{}); !errors.Is(err, ErrLedgerInUse) || !strings.Contains(err.Error(), "open the ledger: ") {
		t.Errorf("opened twice: %v", err)
	}
	stop()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	for _, text := range []string{"bolt:" + path, "memory:"} {
		l, err := OpenLedger(t.Context(), text, LedgerOptions{})
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if err := l.Close(); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range []string{"memory:x", "memory", "memroy:", path, "unheard-of:x"} {
		if _, err := OpenLedger(t.Context(), text, LedgerOptions{}); err == nil || !strings.Contains(err.Error(), "memory:") {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, o := range []LedgerOptions{{Interval: -1}, {Retention: -1}} {
		if _, err := OpenLedger(t.Context(), "memory:", o); err == nil {
			t.Errorf("%+v is no error", o)
		}
	}
}

// What no member could be followed with is no silence.
func TestRunRefusesAConfigThatIsNone(t *testing.T) {
	s := New(Options{Config: Config{Connection: ConnectionConfig{QPS: -1}, ExtraWatches: -1}})
	err := s.Run(t.Context())
	for _, want := range []string{"connections: QPS", "extra watches"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Run: %v, want it to say %q", err, want)
		}
	}
}

// The term of a process is never below what the ledger knows: consumers drop what is.
func TestTermIsNotBelowTheLedgers(t *testing.T) {
	l, err := ledger.Open(t.Context(), ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if s := New(Options{Ledger: ledger.NewHandle(l, nil)}); s.o.Term != 1 {
		t.Errorf("term %d, want 1", s.o.Term)
	}
	if l, err = ledger.Open(t.Context(), ledger.Options{Term: func(ledger.Term) (ledger.Term, error) { return ledger.Term{Number: 5}, nil }}); err != nil {
		t.Fatal(err)
	}
	if s := New(Options{Ledger: ledger.NewHandle(l, nil), Term: 3}); s.o.Term != 5 {
		t.Errorf("term %d, want 5", s.o.Term)
	}
}
