package sources

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/ledger/bolt"
	"github.com/fairlead-dev/fairlead/internal/synctest"
)

// boltLedger opens a ledger in a file, and runs it until end is called. What nobody waits for
// is stored after hours only.
func boltLedger(t *testing.T, path string) (l *ledger.Ledger, end func()) {
	t.Helper()
	store, err := bolt.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if l, err = ledger.Open(t.Context(), ledger.Options{Store: store, Interval: 10 * time.Hour}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	return l, func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A replay that is confirmed survives kill -9: another process that finds the ledger's file
// as it was at that moment goes on with it, and does so once.
func TestReplaySurvivesAKill(t *testing.T) {
	for name, replay := range map[string]func(ctx context.Context, s *Sources) (Replaying, error){
		"all": func(ctx context.Context, s *Sources) (Replaying, error) { return s.Replay(ctx, "m", "") },
		"one object": func(ctx context.Context, s *Sources) (Replaying, error) {
			return s.ReplaySome(ctx, "m", "cm", ReplaySelector{Name: "of-a"}, false)
		},
		"one route": func(ctx context.Context, s *Sources) (Replaying, error) {
			return s.ReplaySome(ctx, "m", "cm", ReplaySelector{Route: "a"}, false)
		},
		"nothing yet": nil,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				l, end := boltLedger(t, filepath.Join(dir, "ledger"))
				h := startOn(t, l, "cm")
				a := &server{uid: "a"}
				h.sources.Set(a.member("m"))
				h.wantLive("m")
				h.queue.told()
				if err := l.Flush(t.Context(), "m"); err != nil {
					t.Fatal(err)
				}
				h.queue.down.Store(true)
				if replay != nil {
					if r, err := replay(t.Context(), h.sources); err != nil || r.Streams != 1 {
						t.Fatalf("%+v, %v", r, err)
					}
				}
				file, err := os.ReadFile(filepath.Join(dir, "ledger"))
				if err != nil {
					t.Fatal(err)
				}
				h.stop()
				end()

				var want []string
				if replay != nil {
					want = []string{"updated of-a object-of-a of a"}
				}
				copied := filepath.Join(dir, "copy")
				if err := os.WriteFile(copied, file, 0o600); err != nil {
					t.Fatal(err)
				}
				for _, want := range [][]string{want, nil} {
					l, end := boltLedger(t, copied)
					h := startOn(t, l, "cm")
					h.sources.Set(a.member("m"))
					h.wantLive("m")
					pass()
					if told := h.queue.told(); !slices.Equal(told, want) {
						t.Errorf("delivered %q, want %q", told, want)
					}
					h.stop()
					end()
				}
			})
		})
	}
}
