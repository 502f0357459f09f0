//go:build linux && !race

package bench

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/bench/internal/simserver"
	"github.com/fairlead-dev/fairlead/internal/testenv"
)

// What docs/sizing.md says that a process needs: its budget, besideBudget, and what is known
// of it: that much for each stream, more for one that is stopped while it reads, and for each
// object of each sink; what is larger than besideEvent of an event that is encoded; and, where
// more than muchBeside is in use beside the budget, a quarter of that for garbage. The program
// without anything takes noneBeside of it. Of its own code, which the kernel can take back at any
// time, besideCode is among besideBudget.
const (
	besideBudget   = 128 << 20
	besideEvent    = 8 << 20
	knownOfStream  = 90 << 10
	knownOfStopped = 128 << 10
	knownOfObject  = 95
	muchBeside     = 160 << 20
	noneBeside     = 45 << 20
	besideCode     = 30 << 20
)

// terms is what a process may take, in bytes.
type terms struct{ budget, beside, streams, stopped, objects, event, garbage, code int }

func newTerms(budget, streams, objects, event, code int) terms {
	t := terms{
		budget: budget, beside: besideBudget, streams: streams * knownOfStream, stopped: streams * knownOfStopped,
		objects: objects * knownOfObject, event: max(event-besideEvent, 0), code: max(code-besideCode, 0),
	}
	t.garbage = max(noneBeside+t.streams+t.stopped+t.objects+t.event-muchBeside, 0) / 4
	return t
}

func (t terms) sum() int {
	return t.budget + t.beside + t.streams + t.stopped + t.objects + t.event + t.garbage + t.code
}

// String implements fmt.Stringer.
func (t terms) String() string {
	return fmt.Sprintf("%.1f MiB = budget %.1f + %.1f + streams %.1f + stopped ones %.1f + objects %.1f + a large event %.1f + garbage %.1f + code %.1f",
		inMiB(t.sum()), inMiB(t.budget), inMiB(t.beside), inMiB(t.streams), inMiB(t.stopped), inMiB(t.objects), inMiB(t.event), inMiB(t.garbage), inMiB(t.code))
}

// residentEnv has TestNoAllocBeyondBudgetOfAProcess run.
const residentEnv = "FAIRLEAD_TEST_RESIDENT"

// TestNoAllocBeyondBudgetOfAProcess: the resident memory of the program, all of it and at its
// highest, is no more than docs/sizing.md says, with lanes that could hold many times the
// budget. Members and sink are in the test's process, so the program's holds nothing else.
func TestNoAllocBeyondBudgetOfAProcess(t *testing.T) {
	if os.Getenv(residentEnv) == "" {
		t.Skipf("make memory runs it: it builds the program, and follows a thousand members; %s is not set", residentEnv)
	}
	const budget = 64 << 20
	program := buildProgram(t)
	for name, test := range map[string]struct {
		fleet  simserver.Options
		sink   *receiver
		enough int64 // requests that the sink is to have answered
		least  int   // bytes of the budget that are to be lent
	}{
		"1,000 members and a sink that is down": {
			fleet:  simserver.Options{Clusters: 1000, Objects: 40, Size: 24 << 10},
			sink:   &receiver{status: http.StatusServiceUnavailable},
			enough: 5, least: budget / 2,
		},
		"objects of 15 MiB and a slow sink": {
			fleet:  simserver.Options{Resources: []string{"configmaps", "secrets"}, Objects: 20, Size: 15 << 20},
			sink:   &receiver{status: http.StatusOK, pause: 250 * time.Millisecond},
			enough: 30, least: 15 << 20,
		},
	} {
		t.Run(name, func(t *testing.T) {
			receives := httptest.NewServer(test.sink)
			defer receives.Close()
			members, kubeconfig := serveMembers(t, test.fleet)
			p := startResident(t, program, "--clusters=kubeconfig:"+kubeconfig, "--watch="+strings.Join(members.resources, ","), "--max-concurrent-snapshots=1000",
				"--sink="+receives.URL+"?format=structured", fmt.Sprint("--memory-budget=", budget))
			rests, lent, seen := members.rests(), 0, int64(0)
			p.await(t, "the program to read no more and the sink to have answered", func() bool {
				answered := test.sink.answered.Load()
				if test.sink.status != http.StatusOK {
					return answered >= test.enough && rests()
				}
				// What is lent goes up and down.
				if answered > seen {
					seen, lent = answered, max(lent, p.lent(t))
				}
				return answered >= test.enough
			})
			lent = max(lent, p.lent(t))
			streams := int(members.Stats().Open)
			may := newTerms(budget, streams, p.sum(t, "fairlead_ledger_cluster_objects"), test.fleet.Size, p.resident(t, "RssFile"))
			most := p.resident(t, "VmHWM")
			t.Logf("%.1f MiB were resident at the highest, %.1f of the budget lent; may be %v", inMiB(most), inMiB(lent), may)
			if want := max(test.fleet.Clusters, 1) * len(members.resources); streams != want {
				t.Errorf("%d watches are open, want %d", streams, want)
			}
			if lent < test.least || lent > budget {
				t.Errorf("%.1f MiB were lent, want %.1f to the budget of %.1f", inMiB(lent), inMiB(test.least), inMiB(budget))
			}
			if most > may.sum() {
				t.Errorf("%.1f MiB were resident, may be %v", inMiB(most), may)
			}
		})
	}
}

func inMiB(bytes int) float64 { return float64(bytes) / (1 << 20) }

// receiver is a sink: it reads each request, takes its time, and answers with a status.
type receiver struct {
	status   int
	pause    time.Duration
	answered atomic.Int64
}

// ServeHTTP implements http.Handler.
func (s *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // if that fails, the answer does
	select {
	case <-time.After(s.pause):
	case <-r.Context().Done():
		return
	}
	w.WriteHeader(s.status)
	s.answered.Add(1)
}

// servedMembers are simulated members in the test's process.
type servedMembers struct {
	*simserver.Server
	resources []string
}

// serveMembers serves them until the test ends, and writes their kubeconfig.
func serveMembers(t *testing.T, o simserver.Options) (m *servedMembers, kubeconfig string) {
	t.Helper()
	server, err := simserver.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	go func() { ended <- server.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	var targets []testenv.Target
	for _, m := range server.Members() {
		targets = append(targets, m)
	}
	kubeconfig = filepath.Join(t.TempDir(), "kubeconfig")
	if err := testenv.WriteKubeconfig(kubeconfig, targets...); err != nil {
		t.Fatal(err)
	}
	m = &servedMembers{Server: server, resources: o.Resources}
	if len(m.resources) == 0 {
		m.resources = []string{"configmaps"}
	}
	return m, kubeconfig
}

// rests returns what tells whether all members are watched, and nothing has been read of them
// for two seconds of asking.
func (m *servedMembers) rests() func() bool {
	last, since := int64(-1), time.Time{}
	return func() bool {
		now := m.Stats()
		if now.Bytes != last {
			last, since = now.Bytes, time.Now()
		}
		return now.Open == int64(len(m.Members())*len(m.resources)) && time.Since(since) >= 2*time.Second
	}
}
