package bolt

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/ledger/ledgertest"
)

func TestMain(m *testing.M) {
	if what := os.Getenv(childVariable); what != "" {
		os.Exit(child(what)) //nolint:forbidigo // The child of a test tells by its exit code.
	}
	goleak.VerifyTestMain(m)
}

func mustOpen(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mustClose(t, s) })
	return s
}

func mustClose(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
}

func TestStore(t *testing.T) {
	ledgertest.Run(t, func(t *testing.T) (ledger.Store, func() ledger.Store) {
		path := filepath.Join(t.TempDir(), "fairlead.ledger")
		s := mustOpen(t, path)
		return s, func() ledger.Store {
			mustClose(t, s)
			s = mustOpen(t, path)
			return s
		}
	})
}

func TestStoreOfNewFileLeavesNothingElse(t *testing.T) {
	dir := t.TempDir()
	mustOpen(t, filepath.Join(dir, "a"))
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != "a" {
		t.Errorf("folder holds %v, %v", entries, err)
	}
}
