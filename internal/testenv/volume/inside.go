package volume

import (
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

// insideVariable holds the folder, in the process that has the volume.
const insideVariable = "FAIRLEAD_TEST_VOLUME"

// Inside runs body in a process of its own, which has an empty volume of so many bytes at dir,
// that every user may write to. The process is the test once more, and nothing else: what the
// test does before Inside is done there too. It reads all that the test itself may read. Servers
// that body starts see the volume. The test ends as body does, and is skipped where no volume may
// be mounted.
func Inside(t *testing.T, bytes int, body func(t *testing.T, dir string)) {
	t.Helper()
	if dir := os.Getenv(insideVariable); dir != "" {
		if err := Mount(dir, bytes); err != nil {
			t.Skip("not allowed to mount a small volume: ", err)
		}
		body(t, dir)
		return
	}
	dir, err := os.MkdirTemp("", "fairlead-volume-") // where servers that are not root get to
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.Remove(dir); err != nil {
			t.Error(err)
		}
	})
	command := exec.CommandContext(t.Context(), os.Args[0], "-test.run="+exactly(t.Name()), "-test.v", "-test.count=1")
	command.Env = append(os.Environ(), insideVariable+"="+dir)
	command.SysProcAttr = ownMountsAndUsers()
	said := &strings.Builder{}
	command.Stdout, command.Stderr = said, said
	runtime.LockOSThread() // with whose end Linux would end the process
	defer runtime.UnlockOSThread()
	if err := command.Start(); err != nil {
		t.Skip("not allowed to mount a small volume: ", err)
	}
	err = command.Wait()
	switch passed, skipped := ends(said.String(), "PASS", t.Name()), ends(said.String(), "SKIP", t.Name()); {
	case err == nil && skipped:
		t.Skip(said)
	case err != nil || !passed:
		t.Errorf("in the process with the volume: %v\n%s", err, said)
	default:
		t.Log(said)
	}
}

// exactly is what -test.run has to be for the test of that name.
func exactly(name string) string {
	parts := strings.Split(name, "/")
	for i, part := range parts {
		parts[i] = "^" + regexp.QuoteMeta(part) + "$"
	}
	return strings.Join(parts, "/")
}

// ends reports whether a test has ended so, by what it has printed.
func ends(said, how, name string) bool { return strings.Contains(said, "--- "+how+": "+name+" (") }
