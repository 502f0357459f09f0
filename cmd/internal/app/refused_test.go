package app

import (
	"context"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/fairlead-dev/fairlead/internal/election"
	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/ledger/bolt"
	"github.com/fairlead-dev/fairlead/locks/locktest"
)

// refusedLeader is a process that leads, while its ledger was used with a higher token
// of the same lock.
type refusedLeader struct {
	*running
	record *locktest.Memory
	ledger string
	ended  chan error // what run returned
}

// startRefused starts one, and waits until it is refused.
func startRefused(t *testing.T) *refusedLeader {
	record, _ := withLock(t)
	dir := t.TempDir()
	members := filepath.Join(dir, "members")
	writeFile(t, members, oneContext)
	l := &refusedLeader{record: record, ledger: filepath.Join(dir, "ledger"), ended: make(chan error, 1)}
	store := must(bolt.Open(l.ledger))(t)
	must(ledger.Open(t.Context(), ledger.Options{Store: store, Term: ledger.Elected("memory:", 9, "the-later-one")}))(t)
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	s := parseWith(t, Options{}, "--clusters=kubeconfig:"+members, "--watch=pods", "--ledger="+l.ledger, "--sink=file:"+filepath.Join(dir, "events"),
		"--leader-elect", "--leader-elect-lock=memory:", "--leader-election-retry-period=10ms")
	l.running = &running{t: t, registry: prometheus.NewRegistry()}
	l.program = must(newProgram(t.Context(), s, t.Output(), newLogger(outputOf(t), "info", "text"), l.registry))(t)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		l.ended <- l.program.run(ctx)
		close(l.ended)
	}()
	l.stop = func() error {
		cancel()
		return <-l.ended
	}
	t.Cleanup(func() { _ = l.stop() }) // it has ended, or is let go of
	l.await("the ledger refuses it", func() bool { return l.program.refused.Load() != nil })
	return l
}

// readyz is what /readyz says, and with which code.
func (l *refusedLeader) readyz() (code int, body string) {
	w := httptest.NewRecorder()
	listener := must(net.Listen("tcp", "127.0.0.1:0"))(l.t)
	defer listener.Close()
	l.program.healthServer(listener).Server.Handler.ServeHTTP(w, httptest.NewRequestWithContext(l.t.Context(), "GET", "/readyz", nil))
	return w.Code, w.Body.String()
}

// gauge is the value of one.
func (l *refusedLeader) gauge(name string) int {
	for _, f := range must(l.registry.Gather())(l.t) {
		if f.GetName() == name {
			return int(f.GetMetric()[0].GetGauge().GetValue())
		}
	}
	return -1
}

// TestARefusedLeaderSaysSoAndWaits: it delivers nothing, keeps the lock, and tells why
// and what to do. Once somebody has done that, it delivers in a higher term.
func TestARefusedLeaderSaysSoAndWaits(t *testing.T) {
	l := startRefused(t)
	code, body := l.readyz()
	for _, want := range []string{"the ledger refuses it", "the token 1", `"the-later-one"`, "token 9", "lock memory:", "fairlead ledger forget --lock"} {
		if code != 500 || !strings.Contains(body, want) {
			t.Errorf("/readyz answers with %d, and does not say %q: %s", code, want, body)
		}
	}
	if s := l.program.electionStatus(); s.Role != "leader" || !strings.Contains(s.Refused, "token 9") {
		t.Errorf("/clusters: %+v", s)
	}
	gauges := func(refused, leads int) {
		t.Helper()
		if got := l.gauge("fairlead_leader_refused"); got != refused {
			t.Errorf("fairlead_leader_refused is %v", got)
		}
		if got := l.gauge("fairlead_leader"); got != leads {
			t.Errorf("fairlead_leader is %v", got)
		}
	}
	gauges(1, 0)
	if n := must(os.ReadDir(filepath.Dir(l.ledger)))(t); len(n) != 2 {
		t.Errorf("%d files: a sink was opened", len(n))
	}
	var out string
	l.await("the token is forgotten", func() (done bool) { // it has the ledger open for moments
		var err error
		out, err = command(t, "ledger", "forget", "--lock", "--ledger", l.ledger)
		return err == nil
	})
	if want := "Forgot token 9 of the lock memory:, which the-later-one had in term 9; the next leader is accepted, in a higher term\n"; out != want {
		t.Errorf("%q, want %q", out, want)
	}
	l.await("it delivers", func() bool { return l.program.current() != nil })
	<-l.program.started
	if code, body := l.readyz(); l.program.term != 10 || code != 200 {
		t.Errorf("term %d, /readyz %d %s", l.program.term, code, body)
	}
	gauges(0, 1)
	if err := l.stop(); err != nil {
		t.Error(err)
	}
	if out := must(command(t, "ledger", "forget", "--lock", "--ledger", l.ledger))(t); !strings.Contains(out, "token 1 of the lock memory:") {
		t.Errorf("its own token is not stored: %s", out)
	}
	if out := must(command(t, "ledger", "forget", "--lock", "--ledger", l.ledger))(t); !strings.Contains(out, "holds no fencing token") {
		t.Error(out)
	}
	if _, err := command(t, "ledger", "forget", "--lock", "--cluster=a", "--ledger", l.ledger); err == nil || !strings.Contains(err.Error(), "--cluster") {
		t.Error(err)
	}
}

// TestARefusedLeaderEndsWithItsTerm: a process that was elected, and stopped before it
// took its term, sees in the lock that another one has led since.
func TestARefusedLeaderEndsWithItsTerm(t *testing.T) {
	l := startRefused(t)
	other := l.record.Lock("the-later-one")
	for {
		r, _, err := other.Get(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		taken := resourcelock.LeaderElectionRecord{HolderIdentity: "the-later-one", LeaseDurationSeconds: r.LeaseDurationSeconds, AcquireTime: metav1.Now(), RenewTime: metav1.Now()}
		if other.Update(t.Context(), taken) == nil {
			break // else it was renewed meanwhile
		}
	}
	select {
	case err := <-l.ended:
		if election.Reason(err) != election.Taken {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(patience):
		t.Fatal("it does not end")
	}
	if r, _, err := other.Get(t.Context()); err != nil || r.HolderIdentity != "the-later-one" {
		t.Errorf("the record is %+v, %v", r, err)
	}
	if n := must(os.ReadDir(filepath.Dir(l.ledger)))(t); len(n) != 2 {
		t.Errorf("%d files: a sink was opened", len(n))
	}
}

// TestARefusedLeaderIsAskedToStop: it lets go of the lock.
func TestARefusedLeaderIsAskedToStop(t *testing.T) {
	l := startRefused(t)
	if err := l.stop(); err != nil {
		t.Error(err)
	}
	if r, _, err := l.record.Lock("looks").Get(t.Context()); err != nil || r.HolderIdentity != "" {
		t.Errorf("the record is %+v, %v", r, err)
	}
}
