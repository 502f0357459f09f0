package app

import (
	"bytes"
	"compress/gzip"
	"context"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/fairlead-dev/fairlead/internal/testenv"
)

var (
	oldProgram = flag.String("old-program", "", "fairlead of a landed version, which is to write a ledger for -old-ledger")
	oldLedger  = flag.String("old-ledger", "", "file in testdata to write; its name tells the version: ledger-COMMIT.gz")
)

// oldFlags are those under which landed versions have written the ledgers in testdata.
func oldFlags(kubeconfig string) []string {
	return []string{
		"--clusters=kubeconfig:" + kubeconfig, "--watch=configmaps", "--sink=file:changes.jsonl", "--sink=stdout:", "--ledger=ledger",
		"--metrics-bind-address=0", "--health-probe-bind-address=0", "--admin-bind-address=0",
	}
}

// startOldMember starts the member that is in the ledgers in testdata.
func startOldMember(t *testing.T) *testenv.Hostile {
	t.Helper()
	h := testenv.StartHostile(t, "edge")
	h.Become("5a1e0f7c-3b0d-4a63-9d57-6a2f1c8e9b40")
	for _, name := range []string{"a", "b", "c"} {
		h.Put("configmaps", "default", name, map[string]any{"data": map[string]string{"of": name}})
	}
	return h
}

// changeOldMember is what the member has seen while the landed version ran.
func changeOldMember(h *testenv.Hostile) {
	h.Put("configmaps", "default", "b", map[string]any{"data": map[string]string{"of": "b again"}})
	h.Put("configmaps", "default", "d", nil)
	h.Delete("configmaps", "default", "a")
}

// TestLedgersOfLandedVersionsRedeliverNothing: what a landed version has delivered is
// not delivered again by this one, whatever has become of the identities of sinks and
// of the form of records; and this one goes on where that had come to.
func TestLedgersOfLandedVersionsRedeliverNothing(t *testing.T) {
	ledgers := must(filepath.Glob("testdata/ledger-*.gz"))(t)
	if len(ledgers) == 0 {
		t.Fatal("there are no ledgers in testdata")
	}
	for _, file := range ledgers {
		packed := must(os.ReadFile(file))(t)
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Chdir(t.TempDir()) // the sinks' identities hold relative paths
			text := must(io.ReadAll(must(gzip.NewReader(bytes.NewReader(packed)))(t)))(t)
			if err := os.WriteFile("ledger", text, 0o600); err != nil {
				t.Fatal(err)
			}
			h := startOldMember(t)
			changeOldMember(h)
			r := start(t, oldFlags(writeKubeconfig(t, h))...)
			r.await("its stream is live", func() bool { return r.streamsLive("edge") })
			h.Put("configmaps", "default", "new", nil)
			inFile := func() string { return string(must(os.ReadFile("changes.jsonl"))(t)) }
			r.await("what is new is delivered", func() bool {
				return strings.Contains(inFile(), `"name":"new"`) && len(r.out.received()) > 0
			})
			if n := snapshots(r, "edge"); n != 0 {
				t.Errorf("%d snapshots, though the watch can be resumed", n)
			}
			r.end()
			if lines, events := strings.Count(inFile(), "\n"), r.out.received(); lines != 1 || len(events) != 1 || events[0].Name != "new" {
				t.Errorf("stdout: got %v, file: %d lines:\n%s", events, lines, inFile())
			}
		})
	}
}

// TestWriteAnOldLedger has a landed version write a ledger for the test above:
//
//	go test ./cmd/internal/app -run TestWriteAnOldLedger -old-program FAIRLEAD -old-ledger ledger-COMMIT.gz
func TestWriteAnOldLedger(t *testing.T) {
	if *oldProgram == "" {
		t.Skip("needs -old-program and -old-ledger")
	}
	program, to := must(filepath.Abs(*oldProgram))(t), must(filepath.Abs(filepath.Join("testdata", *oldLedger)))(t)
	h := startOldMember(t)
	kubeconfig := writeKubeconfig(t, h)
	t.Chdir(t.TempDir())
	stdout := must(os.Create("stdout"))(t)
	cmd := exec.CommandContext(t.Context(), program, append([]string{"run"}, oldFlags(kubeconfig)...)...)
	cmd.Stdout, cmd.Stderr = stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	delivered := func(n int) {
		t.Helper()
		if err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, patience, true, func(context.Context) (bool, error) {
			file, err := os.ReadFile("changes.jsonl")
			out, err2 := os.ReadFile("stdout")
			return err == nil && err2 == nil && bytes.Count(file, []byte("\n")) == n && bytes.Count(out, []byte("\n")) == n, nil
		}); err != nil {
			t.Error("not delivered")
		}
	}
	delivered(3)
	changeOldMember(h)
	delivered(6)
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if err := stdout.Close(); err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	w := must(gzip.NewWriterLevel(&packed, gzip.BestCompression))(t)
	if _, err := w.Write(must(os.ReadFile("ledger"))(t)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, packed.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}
