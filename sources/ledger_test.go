package sources

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"

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
	if _, err := OpenLedger(t.Context(), path, LedgerOptions{}); err == nil || !strings.Contains(err.Error(), "open the ledger: ") {
		t.Errorf("opened twice: %v", err)
	}
	stop()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	for _, text := range []string{path, "memory:"} {
		l, err := OpenLedger(t.Context(), text, LedgerOptions{})
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if err := l.Close(); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, err := OpenLedger(t.Context(), "memory:x", LedgerOptions{}); err == nil || !strings.Contains(err.Error(), "memory:") {
		t.Errorf("a text that is none: %v", err)
	}
}
