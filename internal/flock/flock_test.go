package flock

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// twice opens a file twice, which is as good as two processes.
func twice(t *testing.T) (one, other *os.File) {
	t.Helper()
	if !Supported {
		t.Skip("this system has no such locks")
	}
	path := filepath.Join(t.TempDir(), "file")
	for _, f := range []**os.File{&one, &other} {
		var err error
		if *f, err = os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = (*f).Close() })
	}
	return one, other
}

func TestWhatExcludesWhat(t *testing.T) {
	for _, test := range []struct {
		held, asked Mode
		excluded    bool
	}{{Exclusive, Exclusive, true}, {Exclusive, Shared, true}, {Shared, Exclusive, true}, {Shared, Shared, false}} {
		one, other := twice(t)
		if err := Try(one, test.held); err != nil {
			t.Fatal(err)
		}
		if err := Try(other, test.asked); errors.Is(err, ErrLocked) != test.excluded {
			t.Errorf("%+v: %v", test, err)
		}
		if err := Unlock(one); err != nil {
			t.Error(err)
		}
		if err := Try(other, test.asked); err != nil {
			t.Errorf("%+v, when it is let go: %v", test, err)
		}
	}
}

func TestWait(t *testing.T) {
	one, other := twice(t)
	if err := Try(one, Exclusive); err != nil {
		t.Fatal(err)
	}
	errEnough := errors.New("enough")
	ended, cancel := context.WithCancelCause(t.Context())
	cancel(errEnough)
	if err := Wait(ended, other, Exclusive, time.Hour); !errors.Is(err, errEnough) {
		t.Errorf("while it is held: %v", err)
	}
	got := make(chan error, 1)
	go func() { got <- Wait(t.Context(), other, Exclusive, time.Millisecond) }()
	if err := one.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-got; err != nil {
		t.Errorf("after the other file was closed: %v", err)
	}
	// One try is made whatever ctx says.
	if err := Wait(ended, other, Exclusive, time.Hour); err != nil {
		t.Errorf("what is ours: %v", err)
	}
}

func TestFileThatIsClosed(t *testing.T) {
	one, _ := twice(t)
	if err := one.Close(); err != nil {
		t.Fatal(err)
	}
	if err := Try(one, Exclusive); err == nil || errors.Is(err, ErrLocked) {
		t.Errorf("error is %v, want one that tells of the file", err)
	}
}
