package deploy

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/internal/testpages"
)

// A new user without a cluster comes to the first change by the commands of the page as they stand.
// Only the clusters of the demo are one of this test, and the program listens elsewhere: the ports
// that it takes by itself may be another one's on this machine.
func TestFromNothingToTheFirstChangeOnAMachine(t *testing.T) {
	hub := testenv.Start(t, testenv.Spec{Name: "quiet"}).Clusters[0]
	if !strings.Contains(read(t, "../cmd/fairlead-demo/cast.go"), `"quiet"`) {
		t.Error("the demo has no cluster with the name that the page gives it")
	}
	fleet := filepath.Join(t.TempDir(), "kubeconfig")
	if err := testenv.WriteKubeconfig(fleet, hub); err != nil {
		t.Fatal(err)
	}
	m := &machine{process: filepath.Join(t.TempDir(), "process"), admin: freeAddress(t)}
	runs := "echo $$ >" + m.process + "; exec bin/fairlead run --metrics-bind-address=0 --health-probe-bind-address=0 --admin-bind-address=" + m.admin
	m.walk = newWalk(t, fleet, strings.NewReplacer("$FLEET", fleet, "bin/fairlead run", runs,
		"bin/fairlead status", "bin/fairlead status --admin=http://"+m.admin, "bin/fairlead explain", "bin/fairlead explain --admin=http://"+m.admin))
	blocks := shellBlocks(testpages.Read(t, gettingStarted).Part("## On your machine"))
	m.follows(blocks, []step{
		{begins: "git clone", not: "this is the clone, and the program is built by this test, and stands in bin"},
		{begins: "make demo", not: "the clusters are this test's; make test-demo runs the demo"},
		{begins: "FLEET=", not: "the kubeconfig is this test's"},
		{begins: "bin/fairlead run", stays: true},
		{begins: "kubectl --kubeconfig $FLEET --context quiet create configmap", before: m.isLive},
		{begins: "tail -n 1", before: func() { m.awaits(".added.") }, after: func(t *testing.T, out string) {
			if strings.Count(out, "\n") != 1 || !strings.Contains(out, `"subject":"/api/v1/namespaces/default/configmaps/greeting"`) {
				t.Errorf("the last line of the file is\n%s", out)
			}
		}},
		{begins: "kubectl --kubeconfig $FLEET --context quiet delete configmap", before: m.stops},
		{begins: "tail -n 2", before: func() {
			m.begins(blocks[3])
			m.awaits(".deleted.")
		}, after: func(t *testing.T, out string) {
			if out != "dev.fairlead.resource.added\ndev.fairlead.resource.deleted\n" {
				t.Errorf("the last two events are\n%s", out)
			}
		}},
		{begins: "bin/fairlead status", before: m.isLive, after: func(t *testing.T, out string) {
			if !live.MatchString(out) || !strings.Contains(out, "The cluster has no such object") {
				t.Errorf("they say\n%s", out)
			}
		}},
		{begins: "rm changes.jsonl", before: m.stops, after: func(t *testing.T, _ string) {
			if left, err := os.ReadDir(m.dir); err != nil || len(left) != 2 {
				t.Errorf("what is left in the clone, besides bin and deploy: %v, %v", left, err)
			}
		}},
	})
}

// live is what fairlead status says of a cluster that is.
var live = regexp.MustCompile(`(?m)^quiet +live `)

// machine is where a reader runs the program, in a terminal of its own.
type machine struct {
	*walk

	process string // the file with its id
	admin   string
}

// begins runs the block in that terminal.
func (m *machine) begins(block string) {
	go func() { m.stayed <- m.shell(block) }()
}

// stopsWithin bounds how long the program may take to end after Ctrl-C.
const stopsWithin = time.Minute

// stops does what Ctrl-C does in that terminal.
func (m *machine) stops() {
	m.t.Helper()
	id, err := strconv.Atoi(strings.TrimSpace(read(m.t, m.process)))
	if err != nil {
		m.t.Fatal(err)
	}
	if err := syscall.Kill(id, syscall.SIGINT); err != nil {
		m.t.Fatal(err)
	}
	ended, ok := m.ends()
	if !ok {
		_ = syscall.Kill(id, syscall.SIGQUIT) // so that it says what it does
		ended, _ = m.ends()
		m.t.Fatalf("the program has not ended %v after Ctrl-C\n%s", stopsWithin, ended.text)
	}
	if ended.err != nil {
		m.t.Errorf("the program does not end well: %v\n%s", ended.err, ended.text)
	}
}

// ends waits for the end of the program; not ok: it has not come in time.
func (m *machine) ends() (ended printed, ok bool) {
	select {
	case ended = <-m.stayed:
		return ended, true
	case <-time.After(stopsWithin):
		return printed{}, false
	}
}

// isLive waits until the program says that the cluster is.
func (m *machine) isLive() {
	m.t.Helper()
	m.until("the cluster is live", func() bool {
		said := m.shell("bin/fairlead status")
		return said.err == nil && live.MatchString(said.text)
	})
}

// awaits waits until the file has an event of greeting of this type.
func (m *machine) awaits(kind string) {
	m.t.Helper()
	m.until("the file has the event", func() bool {
		text, err := os.ReadFile(filepath.Join(m.dir, "changes.jsonl"))
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		last := lines[len(lines)-1]
		return err == nil && strings.HasSuffix(string(text), "\n") && strings.Contains(last, kind) && strings.Contains(last, "configmaps/greeting")
	})
}

// until waits for something that must come about, unless the program ends.
func (m *machine) until(what string, so func() bool) {
	m.t.Helper()
	err := wait.PollUntilContextTimeout(m.t.Context(), 100*time.Millisecond, patience, true, func(context.Context) (bool, error) {
		select {
		case ended := <-m.stayed:
			m.t.Fatalf("the program has ended before %s: %v\n%s", what, ended.err, ended.text)
		default:
		}
		return so(), nil
	})
	if err != nil {
		m.t.Fatalf("not so in time: %s", what)
	}
}
