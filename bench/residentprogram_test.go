//go:build linux && !race

package bench

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/child"
	"github.com/fairlead-dev/fairlead/internal/loopback"
)

// buildProgram builds the program as it is released.
func buildProgram(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "fairlead")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, "../cmd/fairlead").CombinedOutput()
	if err != nil {
		t.Fatalf("build the program: %v\n%s", err, out)
	}
	return path
}

// resident is a program whose memory is looked at.
type resident struct {
	*child.Process
	metrics string // URL
}

// startResident starts a program, which ends with the test.
func startResident(t *testing.T, program string, args ...string) *resident {
	t.Helper()
	t.Setenv("GOMEMLIMIT", "") // the program sets the runtime's limit by itself
	port, err := loopback.Reserve()
	if err != nil {
		t.Fatal(err)
	}
	dir, address := t.TempDir(), fmt.Sprint("127.0.0.1:", port.Number)
	args = append([]string{"run", "--ledger=" + filepath.Join(dir, "ledger"), "--metrics-bind-address=" + address,
		"--health-probe-bind-address=0", "--admin-bind-address=0"}, args...)
	cmd := exec.Command(program, args...)
	process, err := child.Start("fairlead", cmd, filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = process.Kill() // what it holds is what this is about, and nothing that it stores
		if err := port.Release(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(process.LogTail())
		}
	})
	return &resident{process, "http://" + address + "/metrics"}
}

// await waits, as long as the program runs.
func (p *resident) await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	until(t, what, func() bool {
		if !p.Running() {
			t.Fatal("the program has ended")
		}
		return ok()
	})
}

// resident returns what the kernel tells of the process, in bytes: VmHWM is the most that was
// resident at any time, RssFile what is of files now.
func (p *resident) resident(t *testing.T, field string) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Pid()))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, field+":"); ok {
			kib, err := strconv.Atoi(strings.Fields(value)[0])
			if err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Fatalf("the kernel does not tell %s", field)
	return 0
}

// sum returns the sum of a metric over its labels.
func (p *resident) sum(t *testing.T, metric string) (sum int) {
	t.Helper()
	for _, n := range p.series(t, metric) {
		sum += n
	}
	return sum
}

// lent returns how many bytes of the budget are lent.
func (p *resident) lent(t *testing.T) (sum int) {
	t.Helper()
	for series, n := range p.series(t, "fairlead_memory_budget_bytes") {
		if !strings.Contains(series, `use="limit"`) {
			sum += n
		}
	}
	return sum
}

// series returns the series of a metric.
func (p *resident) series(t *testing.T, metric string) map[string]int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.metrics, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]int{}
	for line := range strings.Lines(string(text)) {
		series, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name, _, _ := strings.Cut(series, "{"); name == metric {
			n, err := strconv.ParseFloat(value, 64)
			if err != nil {
				t.Fatal(err)
			}
			all[series] = int(n)
		}
	}
	if len(all) == 0 {
		t.Fatalf("the program has no metric %s", metric)
	}
	return all
}
