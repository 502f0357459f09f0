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
// as it was at that moment goes on with it, and does so once. So does one that finds it as it
// is after a clean stop.
func TestReplaySurvivesAKill(t *testing.T) {
	all := func(ctx context.Context, s *Sources) (Replaying, error) { return s.Replay(ctx, "m", "") }
	oneRoute := func(ctx context.Context, s *Sources) (Replaying, error) {
		return s.ReplaySome(ctx, "m", "cm", ReplaySelector{Route: "a"}, false)
	}
	for name, test := range map[string]struct {
		replay    func(ctx context.Context, s *Sources) (Replaying, error)
		unreached bool // the member, by the process that is asked
	}{
		"all": {replay: all},
		"one object": {replay: func(ctx context.Context, s *Sources) (Replaying, error) {
			return s.ReplaySome(ctx, "m", "cm", ReplaySelector{Name: "of-a"}, false)
		}},
		"one route":              {replay: oneRoute},
		"nothing yet":            {},
		"all, unreached":         {replay: all, unreached: true},
		"one route, unreached":   {replay: oneRoute, unreached: true},
		"nothing yet, unreached": {unreached: true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			ends, killed := filepath.Join(dir, "ledger"), filepath.Join(dir, "copy")
			synctest.Test(t, func(t *testing.T) {
				l, end := boltLedger(t, ends)
				h := startOn(t, l, "cm")
				a := &server{uid: "a"}
				h.sources.Set(a.member("m"))
				h.wantLive("m")
				h.queue.told()
				if err := l.Flush(t.Context(), "m"); err != nil {
					t.Fatal(err)
				}
				if test.unreached {
					h.stop()
					end()
					a.set(func() { a.down = true })
					l, end = boltLedger(t, ends)
					h = startOn(t, l, "cm")
					h.sources.Set(a.member("m"))
					pass()
				}
				h.queue.down.Store(true)
				if test.replay != nil {
					if r, err := test.replay(t.Context(), h.sources); err != nil || r.Streams != 1 {
						t.Fatalf("%+v, %v", r, err)
					}
				}
				file, err := os.ReadFile(ends)
				if err != nil {
					t.Fatal(err)
				}
				h.stop()
				end()
				a.set(func() { a.down = false })

				var want []string
				if test.replay != nil {
					want = []string{"updated of-a object-of-a of a"}
				}
				if err := os.WriteFile(killed, file, 0o600); err != nil {
					t.Fatal(err)
				}
				for _, path := range []string{killed, ends} {
					for _, want := range [][]string{want, nil} {
						l, end := boltLedger(t, path)
						h := startOn(t, l, "cm")
						h.sources.Set(a.member("m"))
						h.wantLive("m")
						pass()
						if told := h.queue.told(); !slices.Equal(told, want) {
							t.Errorf("%s: delivered %q, want %q", filepath.Base(path), told, want)
						}
						h.stop()
						end()
					}
				}
			})
		})
	}
}
