package app

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-dev/fairlead/internal/election"
	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/ledger/bolt"
	"github.com/fairlead-dev/fairlead/internal/replay"
	"github.com/fairlead-dev/fairlead/internal/testenv"
)

// quick is short for a test, and long enough for a machine that stands still for some seconds.
var quick = []string{"--leader-election-lease-duration=10s", "--leader-election-renew-deadline=8s", "--leader-election-retry-period=300ms"}

func TestLostGraceEndsWithTheLease(t *testing.T) {
	for _, test := range []struct{ lease, renew, want time.Duration }{
		{15 * time.Second, 10 * time.Second, stopGrace},
		{60 * time.Second, 10 * time.Second, stopGrace},
		{15 * time.Second, 14 * time.Second, time.Second},
	} {
		s := &settings{Config: Config{LeaderElection: election.Timing{LeaseDuration: test.lease, RenewDeadline: test.renew}}}
		if got := s.lostGrace(); got != test.want {
			t.Errorf("lease duration %v, renew deadline %v: %v, want %v", test.lease, test.renew, got, test.want)
		}
	}
}

// TestLeaderElection runs two processes at a time, on a control plane that is hub
// and member: the way to the hub can be broken, that to the member is another one.
func TestLeaderElection(t *testing.T) {
	env := testenv.Start(t, testenv.Spec{Name: "member"}, testenv.Spec{Name: "voter-2"}, testenv.Spec{Name: "voter-3"})
	for name, run := range map[string]func(*testing.T, *testenv.Cluster){
		"killed":              func(t *testing.T, c *testenv.Cluster) { testLeaderKilled(t, c, nil) },
		"asked to stop":       func(t *testing.T, c *testenv.Cluster) { testLeaderAskedToStop(t, c, nil) },
		"cut off from hub":    func(t *testing.T, c *testenv.Cluster) { testLeaderLosesHub(t, c, (*testenv.Proxy).Cut) },
		"hub hangs":           func(t *testing.T, c *testenv.Cluster) { testLeaderLosesHub(t, c, hold) },
		"stopped":             testLeaderStopped,
		"stopped, with locks": testLeaderStoppedWithLocks,
		"asked by command":    testCommandsFindTheLeader,
		"steps down":          testLeaderStepsDown,
	} {
		t.Run(name, func(t *testing.T) { run(t, env.Clusters[0]) })
	}
	t.Run("other locks", func(t *testing.T) { testOtherLocks(t, env) })
}

// testOtherLocks: what becomes of a leader is the same over every lock.
func testOtherLocks(t *testing.T, env *testenv.Env) {
	stands := lockStands(env)
	for _, kind := range lockKinds {
		if kind.Scheme == "lease" {
			continue
		}
		t.Run(kind.Scheme, func(t *testing.T) {
			t.Parallel() // they wait most of the time
			start := stands[kind.Scheme]
			if start == nil {
				t.Fatalf("no test elects over %s", kind.Usage)
			}
			lock := start(t)
			t.Run("asked to stop", func(t *testing.T) { testLeaderAskedToStop(t, env.Clusters[0], lock) })
			t.Run("killed", func(t *testing.T) { testLeaderKilled(t, env.Clusters[0], lock) })
			t.Run("the lock is lost", func(t *testing.T) { testLockIsLost(t, env.Clusters[0], lock) })
		})
	}
}

func hold(p *testenv.Proxy) {
	if err := p.BlackHole(); err != nil {
		panic(err)
	}
}

// pair is a leader, its follower, and what they share.
type pair struct {
	*objects
	leader, follower *child
	lock             *lockStand
	events           string // path of the sink
	ledger           string // path
	stop             func() // ends the writing
}

// startPair starts two processes, one after the other, and somebody who writes. They
// share a ledger and a file as their sink, unless they are given others. Without a lock
// they elect by a new Lease in the member.
func startPair(t *testing.T, c *testenv.Cluster, lock *lockStand, flags ...string) *pair {
	ns, dir := c.NewNamespace(t), t.TempDir()
	if lock == nil {
		lock = leaseStand(t, c, ns)
	}
	p := &pair{objects: newObjects(t, c, ns), lock: lock, events: filepath.Join(dir, "events"), ledger: filepath.Join(dir, "ledger")}
	for i := range 30 {
		p.create(fmt.Sprintf("o-%d", i))
	}
	if !slices.ContainsFunc(flags, func(f string) bool { return strings.HasPrefix(f, "--sink=") }) {
		flags = append(slices.Clone(flags), "--ledger="+p.ledger, "--sink=file:"+p.events)
	}
	run := func(elect []string) *child {
		return startChild(t, slices.Concat([]string{"--clusters=kubeconfig:" + writeKubeconfig(t, c), "--watch=configmaps?namespace=" + ns}, elect, flags)...)
	}
	p.leader = run(lock.leader)
	p.leader.awaitRole("leader")
	p.leader.awaitLive()
	p.follower = run(lock.follower)
	p.follower.awaitRole("follower")
	want := "follower, leader is " + p.leader.status().Election.Identity + " at " + p.leader.address + "; the lock is " + lock.name + "\n"
	p.follower.await("the follower is ready and knows whom it follows", func() bool {
		code, body := p.follower.get("/readyz")
		return code == http.StatusOK && body == want
	})
	if s := p.follower.status(); len(s.Clusters) > 0 || len(s.Sinks) > 0 {
		t.Errorf("the follower has clusters or sinks: %+v", s)
	}
	p.write()
	return p
}

// write has somebody change, make and delete objects until stop.
func (p *pair) write() {
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			name := fmt.Sprintf("x-%d", i)
			switch i % 5 {
			case 3:
				p.create(name)
			case 4:
				p.delete(fmt.Sprintf("x-%d", i-1))
				p.create(fmt.Sprintf("x-%d", i-1))
			default:
				p.patch(fmt.Sprintf("o-%d", i%30), fmt.Sprint(i))
			}
			if i%50 == 49 {
				p.delete(fmt.Sprintf("x-%d", i-1))
			}
		}
	}()
	p.stop = sync.OnceFunc(func() {
		close(done)
		<-stopped
	})
	p.t.Cleanup(p.stop)
}

// awaitResumable waits until the ledger holds where to go on.
func (p *pair) awaitResumable() {
	p.t.Helper()
	p.leader.await("a resume point is stored", func() bool {
		stored, err := p.stored() // in the middle of a transaction it fails
		return err == nil && len(stored) == 1 && stored[0].Resume != ""
	})
}

// stored returns what the ledger holds, whoever has it open.
func (p *pair) stored() ([]ledger.Dump, error) {
	path := filepath.Join(p.t.TempDir(), "ledger")
	text, err := os.ReadFile(p.ledger)
	if err == nil {
		err = os.WriteFile(path, text, 0o600)
	}
	if err != nil {
		return nil, err
	}
	store, err := bolt.OpenExisting(path, true)
	if err != nil {
		return nil, err
	}
	stored, err := ledger.ReadAll(p.t.Context(), store)
	return stored, errors.Join(err, store.Close())
}

// takeover is where one process ended and the next one goes on.
type takeover struct {
	offset int // in the events
	stored []ledger.Dump
}

// takeOver notes what an ended leader has left, before the next one opens it.
func (p *pair) takeOver() takeover {
	p.t.Helper()
	text := must(os.ReadFile(p.events))(p.t)
	t := takeover{offset: bytes.LastIndexByte(text, '\n') + 1}
	if json.Valid(text[t.offset:]) {
		t.offset = len(text) + 1 // only its end is missing, which is added
	}
	t.stored = must(p.stored())(p.t)
	return t
}

// nextTerm waits for the first event of a second term, and returns where it begins:
// for a leader that wrote its last events while the next one waited for its ledger.
func (p *pair) nextTerm() (at takeover) {
	p.t.Helper()
	p.follower.await("the new leader delivers", func() bool {
		first := ""
		at.offset = 0
		for line := range bytes.Lines(must(os.ReadFile(p.events))(p.t)) {
			e, err := replay.Parse(line)
			if err != nil {
				return false // it is being written
			}
			if first == "" {
				first = e.Term
			}
			if e.Term != first {
				return true
			}
			at.offset += len(line)
		}
		return false
	})
	return at
}

// held returns what the server has.
func (p *pair) held() map[replay.Object]string {
	held := map[replay.Object]string{}
	for name, state := range p.list() {
		uid, version, _ := strings.Cut(state, " ")
		held[replay.Object{Cluster: p.cluster, Resource: "configmaps", Namespace: p.namespace, Name: name, UID: uid}] = version
	}
	return held
}

// checkFollower waits until the sink has what the server has, and checks the order
// of everything, and that the new leader has listed nothing. It returns how many
// events came more than once.
func (p *pair) checkFollower(at takeover) (repeated int) {
	p.t.Helper()
	p.follower.awaitRole("leader")
	p.follower.awaitLive()
	before := bytes.Count(must(os.ReadFile(p.events))(p.t), []byte("\n"))
	p.follower.await("it has delivered something of its own", func() bool {
		return bytes.Count(must(os.ReadFile(p.events))(p.t), []byte("\n")) >= before+50
	})
	p.stop()
	held := p.held()
	var state *replay.State
	p.follower.await("the sink has what the server has", func() bool {
		text := must(os.ReadFile(p.events))(p.t)
		if len(text) <= at.offset {
			return false
		}
		state = replay.New()
		p.check(state.Read(bytes.NewReader(text[:at.offset])))
		for _, d := range at.stored {
			for name, o := range d.Objects {
				object := replay.Object{Cluster: d.ID.Cluster, Resource: d.ID.Resource, Namespace: name.Namespace, Name: name.Name}
				for _, version := range []string{o.Acked.ResourceVersion, o.Deleted} {
					if version != "" {
						state.Stored(object, d.ID.ClusterUID, version)
					}
				}
			}
		}
		state.NewRun()
		p.check(state.Read(bytes.NewReader(text[at.offset:])))
		seen := map[string]bool{}
		repeated = 0
		for line := range bytes.Lines(text) {
			e, err := replay.Parse(line)
			if err != nil {
				return false // it is being written
			}
			if seen[e.ID] {
				repeated++
			}
			seen[e.ID] = true
		}
		return state.Compare(held).Equal()
	})
	if diff := cmp.Diff([]string(nil), state.OutOfOrder); diff != "" {
		p.t.Errorf("out of order:\n%s", diff)
	}
	if s := p.follower.status().Clusters[0].Streams[0]; len(s.Snapshots) > 0 {
		p.t.Errorf("the new leader has taken snapshots: %v", s.Snapshots)
	}
	return repeated
}

func testLeaderKilled(t *testing.T, c *testenv.Cluster, lock *lockStand) {
	p := startPair(t, c, lock, quick...)
	p.awaitResumable()
	p.leader.signal(syscall.SIGKILL)
	p.leader.awaitExit()
	repeated := p.checkFollower(p.takeOver())
	t.Logf("%d events came more than once", repeated)
	p.end(p.follower)
}

// The lease lasts for an hour: nobody who waited for its end would take over
// within the patience of a test.
func testLeaderAskedToStop(t *testing.T, c *testenv.Cluster, lock *lockStand) {
	p := startPair(t, c, lock, "--leader-election-lease-duration=1h", "--leader-election-renew-deadline=50m", "--leader-election-retry-period=5s")
	p.leader.signal(syscall.SIGTERM)
	if code := p.leader.awaitExit(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	// The next one may have begun, with a file that it opened after this.
	text := must(os.ReadFile(p.leader.log))(t)
	if stopped, released := bytes.Index(text, []byte("msg=Stopped")), bytes.Index(text, []byte("Released the lease")); stopped < 0 || released < stopped {
		t.Errorf("the lease was not released after everything had stopped:\n%s", text)
	}
	if repeated := p.checkFollower(takeover{}); repeated > 0 {
		t.Errorf("%d events came more than once after a clean stop", repeated)
	}
	p.end(p.follower) // and it lets go of the lock
}

// end asks a process to stop.
func (p *pair) end(c *child) {
	p.t.Helper()
	c.signal(syscall.SIGTERM)
	if code := c.awaitExit(); code != 0 {
		p.t.Errorf("exit code %d", code)
	}
}

// testLockIsLost: the leader ends, its follower says that it cannot lead and why, and
// leads when the lock is back.
func testLockIsLost(t *testing.T, c *testenv.Cluster, lock *lockStand) {
	p := startPair(t, c, lock, quick...)
	p.awaitResumable()
	lock.lose(t)
	if code := p.leader.awaitExit(); code != 1 {
		t.Errorf("exit code %d of a leader that lost the lock", code)
	}
	if text := must(os.ReadFile(p.leader.log))(t); !bytes.Contains(text, []byte("fairlead: lost the lease: ")) {
		t.Error("it does not say why it ended")
	}
	p.follower.await("the follower says that it does not reach the lock", func() bool {
		code, body := p.follower.get("/readyz")
		return code == http.StatusOK && strings.HasPrefix(body, "follower, the lock "+lock.name+" cannot be read: ")
	})
	lock.restore(t)
	p.checkFollower(p.takeOver())
	p.end(p.follower)
}

// Locks would keep the two apart by themselves: here there are none.
func withoutLocks(dir string) []string {
	return append([]string{"--ledger=memory:", "--sink=stamps:" + dir}, quick...)
}

// checkStamps waits for a stamp of the follower, and for the exit of the leader,
// and checks that all of the leader's come before.
func (p *pair) checkStamps(dir string) {
	p.t.Helper()
	if code := p.leader.awaitExit(); code != 1 {
		p.t.Errorf("exit code %d of a leader that lost the lease", code)
	}
	if text := must(os.ReadFile(p.leader.log))(p.t); !bytes.Contains(text, []byte("fairlead: lost the lease: ")) {
		p.t.Error("it does not say why it ended")
	}
	want := []string{fmt.Sprint(p.leader.pid()), fmt.Sprint(p.follower.pid())}
	p.follower.await("the follower delivers", func() bool { return len(stampers(p.t, dir)) > 1 })
	p.follower.awaitLive()
	p.stop()
	if diff := cmp.Diff(want, stampers(p.t, dir)); diff != "" {
		p.t.Errorf("who delivered, in order (-want +got):\n%s", diff)
	}
}

func testLeaderLosesHub(t *testing.T, c *testenv.Cluster, fault func(*testenv.Proxy)) {
	dir := t.TempDir()
	p := startPair(t, c, nil, withoutLocks(dir)...)
	fault(p.lock.line)
	p.checkStamps(dir)
}

func testLeaderStopped(t *testing.T, c *testenv.Cluster) {
	dir := t.TempDir()
	p := startPair(t, c, nil, withoutLocks(dir)...)
	writeFile(t, filepath.Join(dir, "stop"), fmt.Sprint(p.leader.pid()))
	p.leader.await("a write is held up, and more is to be written after it", func() bool {
		s := p.leader.status()
		if exists(filepath.Join(dir, "stop")) || len(s.Sinks) != 1 || len(s.Clusters) != 1 {
			return false
		}
		// On a busy machine the window may be one write: then nothing gathers beside it.
		return s.Sinks[0].Waiting > 0 || s.Clusters[0].Lane.InFlight > 0 && s.Clusters[0].Lane.Live > 0
	})
	writeFile(t, filepath.Join(dir, "gathered"), "")
	p.follower.await("the follower delivers", func() bool { return len(stampers(t, dir)) > 1 })
	writeFile(t, filepath.Join(dir, "go"), "")
	p.leader.signal(syscall.SIGCONT)
	p.checkStamps(dir)
}

// A command that reaches a follower goes on to the leader.
func testCommandsFindTheLeader(t *testing.T, c *testenv.Cluster) {
	p := startPair(t, c, nil, append([]string{"--admin-bind-address=127.0.0.1:0"}, quick...)...)
	leader, follower := p.leader.status().Election.AdminAddress, p.follower.status().Election.AdminAddress
	for _, args := range [][]string{{"replay", "--cluster=" + p.cluster}, {"dead-letter", "retry"}} {
		out, err := command(t, append(args, "--admin=http://"+follower)...)
		if want := follower + " follows; asking the leader at http://" + leader + "\n"; !strings.HasPrefix(out, want) {
			t.Errorf("%q: %q (%v), want %q", args, out, err, want)
		}
		switch {
		case args[0] == "replay":
			if err != nil || !strings.Contains(out, "1 streams begin a snapshot") {
				t.Errorf("%q, %v", out, err)
			}
		case err == nil || err.Error() != errNoDeadLetters.Error():
			t.Errorf("%q, %v", out, err)
		}
	}
	p.stop()
}

// The lease lasts for an hour, and the leader that steps down ends only when another one leads: it has
// released the lease, and the other one has taken it.
func testLeaderStepsDown(t *testing.T, c *testenv.Cluster) {
	p := startPair(t, c, nil, "--admin-bind-address=127.0.0.1:0", "--leader-election-lease-duration=1h", "--leader-election-renew-deadline=50m", "--leader-election-retry-period=1s")
	leader, follower := p.leader.status().Election, p.follower.status().Election
	if out, err := command(t, "leader", "--step-down", "--admin=http://"+leader.AdminAddress); ExitCode(err) != 2 {
		t.Errorf("where no other one is seen: %q, %v", out, err)
	}
	out, err := command(t, "leader", "--step-down", "-o", "jsonpath={.identity}", "--admin=http://"+follower.AdminAddress)
	if want := leader.Identity; err != nil || !strings.HasSuffix(out, want) || !strings.Contains(out, "it steps down") {
		t.Errorf("%q, %v; want %q", out, err, want)
	}
	if code := p.leader.awaitExit(); code != 1 {
		t.Errorf("exit code %d", code)
	}
	text := must(os.ReadFile(p.leader.log))(t)
	if want := "leader=" + follower.Identity; !bytes.Contains(text[max(bytes.Index(text, []byte("Stepped down")), 0):], []byte(want)) {
		t.Errorf("it does not end with %q:\n%s", want, text)
	}
	if repeated := p.checkFollower(takeover{}); repeated > 0 {
		t.Errorf("%d events came more than once", repeated)
	}
	p.end(p.follower)
}

// A stopped process keeps its locks: the next leader waits for them.
func testLeaderStoppedWithLocks(t *testing.T, c *testenv.Cluster) {
	p := startPair(t, c, nil, quick...)
	p.awaitResumable()
	p.leader.signal(syscall.SIGSTOP)
	p.follower.awaitRole("leader")
	p.follower.await("the new leader waits for the ledger", func() bool {
		code, body := p.follower.get("/readyz?verbose")
		return p.follower.status().Election.WaitsFor == "the ledger" && code == http.StatusInternalServerError && strings.Contains(body, "started")
	})
	p.leader.signal(syscall.SIGCONT)
	if code := p.leader.awaitExit(); code != 1 {
		t.Errorf("exit code %d", code)
	}
	// What it delivered last was not stored as accepted, and comes again in order.
	p.checkFollower(p.nextTerm())
}
