package app

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-dev/fairlead/internal/tcpline"
	"github.com/fairlead-dev/fairlead/internal/testenv"
)

// comparing is a real destination that compares terms, behind a line, as a test sees it
// beside that.
type comparing struct {
	sink string // the value of --sink, which leads to the line
	line *tcpline.Line
	// marks returns what the destination has of each object, by its name.
	marks func() map[string]lateMark
	// history returns what it has of the past; nil: it has only what is now.
	history func() []string
	// arrival is called while nothing is written. What it returns reports whether a write has
	// arrived since, and is over.
	arrival func() func() bool
	// refused returns how many writes the server has refused; nil: it does not tell.
	refused func() int
}

// lateMark is of what term an object's latest state is, and that state's resourceVersion.
type lateMark struct{ term, version string }

// TestALateWriteIsRefusedByServers stops a leader whose write is on its way to a real
// server that compares terms. It arrives when another process leads and has written the
// same object: the server executes it, and takes nothing of it.
func TestALateWriteIsRefusedByServers(t *testing.T) {
	c := testenv.Start(t, testenv.Spec{Name: "member"}).Clusters[0]
	for name, start := range map[string]func(*testing.T, *testenv.Cluster) *comparing{
		"postgres": startLateTables, "hub": startLateRecords, "nats bucket": startLateBucket,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // they wait most of the time
			testLateWrite(t, c, start(t, c))
		})
	}
}

func testLateWrite(t *testing.T, c *testenv.Cluster, d *comparing) {
	p := startPair(t, c, nil, append([]string{"--ledger=memory:", "--sink=" + d.sink}, quick...)...)
	p.leader.await("the leader has written", func() bool { return len(d.marks()) > 30 })
	p.stop()
	p.leader.await("the leader has written everything", func() bool { return d.holds(p, "") })
	old := d.marks()["o-0"].term

	hold := d.holdAWrite(p)
	p.leader.signal(syscall.SIGSTOP)
	p.patch("o-0", "later")
	p.follower.awaitRole("leader")
	p.follower.awaitLive()
	p.follower.await("the next leader has written everything", func() bool { return d.holds(p, old) })

	marks, history := d.marks(), d.past()
	arrived, refused := d.arrival(), d.refusals()
	if n := hold.Release(lateBytes); n == 0 {
		t.Fatal("the late write has got lost: its connection has ended")
	}
	p.follower.await("the late write has arrived, and is over", arrived)
	if d.refused != nil && d.refusals() == refused {
		t.Error("the server has refused nothing")
	}
	same := func(when string) {
		if diff := cmp.Diff(marks, d.marks(), cmp.AllowUnexported(lateMark{})); diff != "" {
			t.Errorf("%s the destination holds something else than before:\n%s", when, diff)
		}
		if diff := cmp.Diff(history, d.past()); diff != "" {
			t.Errorf("%s the destination's past is another one than before:\n%s", when, diff)
		}
	}
	same("after the late write")
	p.leader.signal(syscall.SIGCONT)
	if code := p.leader.awaitExit(); code != 1 {
		t.Errorf("exit code %d of a leader that lost its term", code)
	}
	same("after the end of its leader")
}

// lateBytes is how large the state is that is late. What clients send of themselves, such as a
// ping or a question, is much less.
const lateBytes = 16 << 10

// holdAWrite has the leader write a state of o-0, and holds its connections, the follower
// has none, with that write on one of them.
func (d *comparing) holdAWrite(p *pair) *tcpline.Hold {
	p.t.Helper()
	for i := 0; ; i++ {
		hold := d.line.Hold()
		p.annotate("o-0", fmt.Sprint("late ", i, strings.Repeat(" ", lateBytes)))
		p.leader.await("a write is on its way", func() bool { return hold.Waits(lateBytes) > 0 || d.holds(p, "") })
		if hold.Waits(lateBytes) > 0 {
			return hold
		}
		hold.Release(lateBytes) // The leader has connected anew, and has written by that.
	}
}

// holds reports whether the destination holds what the server does, and nothing of that of
// a term; empty: of any.
func (d *comparing) holds(p *pair, not string) bool {
	p.t.Helper()
	marks := d.marks()
	for name, state := range p.list() {
		_, version, _ := strings.Cut(state, " ")
		if m := marks[name]; m.version != version || m.term == not {
			return false
		}
	}
	return true
}

func (d *comparing) past() []string {
	if d.history == nil {
		return nil
	}
	return d.history()
}

func (d *comparing) refusals() int {
	if d.refused == nil {
		return 0
	}
	return d.refused()
}

// lineTo returns a line to a server, and where it listens.
func lineTo(t *testing.T, address string) (line *tcpline.Line, listens string) {
	t.Helper()
	line, listens = tcpline.New(address), freeAddress(t)
	if err := line.Open(listens); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(line.Cut)
	return line, listens
}
