package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/cmd/internal/lab"
	"github.com/fairlead-dev/fairlead/internal/replay"
)

func TestTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sink")
	stamps := newStamps()
	followed := newTail(path, stamps)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- followed.run(ctx) }()

	n := replay.Object{Cluster: "c", Resource: "configmaps", Name: "n", UID: "A"}
	arrives := func(version string) {
		t.Helper()
		err := lab.WaitUntil(t.Context(), time.Millisecond, func() error {
			if followed.compare(map[replay.Object]string{n: version}).Equal() {
				return nil
			}
			return errors.New("not yet")
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	write := func(text string) {
		t.Helper()
		if _, err := file.WriteString(text); err != nil {
			t.Fatal(err)
		}
	}
	write(told[0] + "\n")
	arrives("5")
	stamped := strings.Replace(told[1], `"data":{`, fmt.Sprintf(`"data":{"data":{"written":%q},`, stamps.now()), 1)
	write(stamped[:40])
	write(stamped[40:] + "\n" + stamped + "\n") // The second is a repeat.
	arrives("7")
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if got := followed.of("c"); len(got) != 1 {
		t.Errorf("latencies are %v, want one: of two events one has a stamp", got)
	}
	if got := followed.of("another"); len(got) != 0 {
		t.Errorf("latencies of another member are %v", got)
	}
}

func TestTailFailsOnWhatIsNoEvent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sink")
	if err := os.WriteFile(path, []byte("{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := newTail(path, newStamps()).run(t.Context()); err == nil {
		t.Error("no error")
	}
}
