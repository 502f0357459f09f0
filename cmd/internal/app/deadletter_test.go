package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks/deadletter"
	"github.com/fairlead-dev/fairlead/sources/stream"
)

// letters is a deadLetters at work on sources that remember what they are
// given.
type letters struct {
	generation uint32 // of what is dead-lettered

	t       *testing.T
	sink    string // that refuses
	path    string
	dead    *deadLetters
	ledger  *ledger.Ledger
	cursor  *ledger.Cursor
	metrics *prometheus.Registry
	sent    chan uint64
	answer  map[string]error // of Retry, by name
	offer   func(name string)
	offerOf func(cluster, name string)
	ghost   func() (*ledger.Redelivery, error)
	stop    context.CancelFunc
	ended   chan error
}

func newLetters(t *testing.T) *letters {
	t.Helper()
	l := &letters{
		t: t, sink: "fussy", path: filepath.Join(t.TempDir(), "dead"), sent: make(chan uint64, 100),
		answer: map[string]error{}, ended: make(chan error, 1), offer: func(string) {}, offerOf: func(string, string) {},
	}
	l.metrics = prometheus.NewRegistry()
	l.dead = must(openDeadLetters(l.path, logr.Discard(), l.metrics))(t)
	l.ledger = must(ledger.Open(t.Context(), ledger.Options{}))(t)
	l.cursor, _ = l.ledger.Claim(ledger.Claiming{ID: ledger.StreamID{Cluster: "alpha"}})
	l.cursor.BeginSnapshot()
	_ = slices.Collect(l.cursor.EndSnapshot("1"))
	l.cursor.Seen("1")
	l.run(l)
	t.Cleanup(func() {
		l.stop()
		if err := <-l.ended; err != nil {
			t.Error(err)
		}
		l.dead.close()
	})
	return l
}

// run has the letters sent to a resender.
func (l *letters) run(to resender) {
	ctx, cancel := context.WithCancel(context.Background())
	l.stop = cancel
	go func() { l.ended <- l.dead.run(ctx, to) }()
}

// runTo ends what runs, and has the letters sent to another resender, with that much room.
func (l *letters) runTo(to resender, room int64) {
	l.t.Helper()
	l.stop()
	if err := <-l.ended; err != nil {
		l.t.Error(err)
	}
	l.dead.room = room
	l.run(to)
}

// refuse is a sink that refuses objects, which are acked nevertheless.
func (l *letters) refuse(names ...string) {
	l.t.Helper()
	for _, name := range names {
		l.observe(name)
		l.deadLetter(name)
	}
}

// observe has an object acked.
func (l *letters) observe(name string) {
	l.t.Helper()
	n, v := identityOf(name)
	if o := l.cursor.Observe(n, v, false, false, nil); o.Verdict == ledger.Deliver {
		l.ack(o.Sequence, name)
	}
}

// deadLetter is what a batcher does with an object that a sink refuses.
func (l *letters) deadLetter(name string) {
	l.t.Helper()
	_, v := identityOf(name)
	l.deadLetterOf("alpha", name, v.ResourceVersion)
}

func (l *letters) deadLetterOf(cluster, name, version string) {
	l.t.Helper()
	_, v := identityOf(name)
	c := &pipeline.Change{
		Key: pipeline.Key{Cluster: cluster, Resource: "pods", Namespace: "ns", Name: name},
		Origin: &pipeline.Origin{
			Cluster: cluster, Kind: "Pod", Namespaced: true, Resource: schema.GroupVersionResource{Version: "v1", Resource: "pods"},
		},
		Op: pipeline.Added, UID: types.UID(v.UID), ResourceVersion: version, Object: []byte("{}"),
		Generation: l.generation,
	}
	if err := l.dead.of(l.sink)(c, errors.New("no such column"), 2); err != nil {
		l.t.Fatal(err)
	}
}

func identityOf(name string) (ledger.Name, ledger.Version) {
	return ledger.Name{Namespace: "ns", Name: name}, ledger.Version{UID: "uid-" + name, ResourceVersion: "7"}
}

func (l *letters) ack(sequence uint64, name string) {
	l.t.Helper()
	n, v := identityOf(name)
	if _, _, safe, _ := l.cursor.Begin(sequence, n, v, false); safe != nil {
		<-safe
	}
	l.cursor.Ack(sequence, n, v, false)
}

// Retry is a resender's.
func (l *letters) Redeliver(ctx context.Context, _ string, e *pipeline.Event) (*ledger.Redelivery, error) {
	l.offer(e.Name)
	l.offerOf(e.Cluster, e.Name)
	if err, ok := l.answer[e.Name]; ok {
		return nil, err
	}
	n, v := identityOf(e.Name)
	r, sequence, err := l.cursor.Redeliver(n, v, false)
	if err != nil {
		return nil, err
	}
	select {
	case l.sent <- sequence:
		return r, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// RedeliverGhost is a resender's.
func (l *letters) RedeliverGhost(context.Context, string, *pipeline.Event) (*ledger.Redelivery, error) {
	return l.ghost()
}

// holds checks which objects the file tells of.
func (l *letters) holds(want string) {
	l.t.Helper()
	if got := namesIn(l.t, l.path); got != want {
		l.t.Errorf("the file holds %q, want %q", got, want)
	}
}

func namesIn(t *testing.T, path string) string {
	t.Helper()
	var names []string
	for r, err := range deadletter.Read(path) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, r.Event.Name)
	}
	return strings.Join(names, " ")
}

// wait waits for an order.
func (l *letters) wait(o *order) { o.wait(context.Background(), nil) }

func (l *letters) wantStatus(r *order, want resendingStatus) {
	l.t.Helper()
	if want.Reasons == nil {
		want.Reasons = map[string]int{}
	}
	if diff := cmp.Diff(want, r.status()); diff != "" {
		l.t.Errorf("status (-want +got):\n%s", diff)
	}
}

func TestDeadLettersAreSentAgain(t *testing.T) {
	l := newLetters(t)
	r := l.dead.resend()
	l.wait(r)
	l.wantStatus(r, resendingStatus{State: isDone})

	l.refuse("a", "b", "old", "lost", "c", "c")
	l.answer["old"] = fmt.Errorf("in vain: %w", stream.ErrSuperseded)
	l.answer["lost"] = errors.New(`cluster "alpha" is not in the fleet`)
	r = l.dead.resend()
	retried := []uint64{<-l.sent, <-l.sent, <-l.sent}
	joined := l.dead.resend() // there is nothing to take: it waits for the same
	l.ack(retried[0], "a")
	l.deadLetter("b") // again
	l.ack(retried[1], "b")
	l.refuse("new")
	if !isOpen(r.own.done) {
		t.Error("done before all was accepted")
	}
	l.ack(retried[2], "c")
	for _, r := range []*order{r, joined} {
		l.wait(r)
		l.wantStatus(r, resendingStatus{
			State: isDone, Records: 6, Delivered: 2, RefusedAgain: 1, Superseded: 2, Kept: 1,
			Reasons: map[string]int{`cluster "alpha" is not in the fleet`: 1},
		})
	}
	l.holds("b new lost")
	const want = "fairlead_dead_letters_retried_total"
	if n, err := testutil.GatherAndCount(l.metrics, want); err != nil || n != 4 {
		t.Errorf("%d series of %s, %v", n, want, err)
	}

	// The next one finds what is there now.
	delete(l.answer, "lost")
	r = l.dead.resend()
	for _, name := range []string{"b", "new", "lost"} {
		l.ack(<-l.sent, name)
	}
	l.wait(r)
	l.wantStatus(r, resendingStatus{State: isDone, Records: 3, Delivered: 3})
	l.holds("")
}

// TestRefusedWhileItIsOffered has a sink refuse a change before the call that
// offers it has returned.
func TestRefusedWhileItIsOffered(t *testing.T) {
	l := newLetters(t)
	l.refuse("a")
	l.offer = func(string) {
		l.dead.refused(letterKey{"fussy", pipeline.Key{Cluster: "alpha", Resource: "pods", Namespace: "ns", Name: "a"}, "uid-a"})
	}
	r := l.dead.resend()
	l.ack(<-l.sent, "a")
	l.wait(r)
	l.wantStatus(r, resendingStatus{State: isDone, Records: 1, RefusedAgain: 1})
}

// TestWhatIsInTheFileTwiceIsSentOnce has two sinks refuse a change, and both
// mended.
func TestWhatIsInTheFileTwiceIsSentOnce(t *testing.T) {
	l := newLetters(t)
	l.refuse("a", "a")
	acked := make(chan struct{})
	offers := 0
	l.offer = func(string) {
		if offers++; offers > 1 {
			<-acked
		}
	}
	r := l.dead.resend()
	l.ack(<-l.sent, "a")
	close(acked)
	l.wait(r)
	l.wantStatus(r, resendingStatus{State: isDone, Records: 2, Delivered: 1, Superseded: 1})
}

// A state that was sent behind a deletion has another generation than its first record, and a
// sink that refuses all makes a record of each: it is one state, and is sent once.
func TestAStateOfSeveralGenerationsIsSentOnce(t *testing.T) {
	l := newLetters(t)
	l.refuse("a")
	l.generation = 1
	l.deadLetter("a")
	r := l.dead.resend()
	l.ack(<-l.sent, "a")
	l.wait(r)
	l.wantStatus(r, resendingStatus{State: isDone, Records: 2, Delivered: 1, Superseded: 1})
}

// A deletion whose name another object has by now goes before the state of that one, in a
// second pass: the others are sent before.
func TestADeletionWhoseNameIsTakenIsSentAsAGhost(t *testing.T) {
	l := newLetters(t)
	l.refuse("a", "b")
	l.answer["a"] = stream.ErrNameTaken
	n, _ := identityOf("a")
	noted := make(chan struct{}, 1)
	l.ghost = func() (*ledger.Redelivery, error) {
		r, err := l.cursor.RedeliverGhost(n, "uid-gone")
		noted <- struct{}{}
		return r, err
	}
	r := l.dead.resend()
	l.ack(<-l.sent, "b")
	<-noted
	l.cursor.AckGhost(n, "uid-gone")
	l.wait(r)
	l.wantStatus(r, resendingStatus{State: isDone, Records: 2, Delivered: 2})
	l.holds("")
}

// What cannot be sent at once is offered again for a minute; so long a snapshot may take, too.
func TestDeadLettersAreOfferedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLetters(t)
		l.refuse("busy", "taken", "held", "b")
		l.answer["busy"], l.answer["held"] = stream.ErrNotNow, stream.ErrNotNow
		l.answer["taken"] = stream.ErrNameTaken
		n, _ := identityOf("taken")
		l.ghost = func() (*ledger.Redelivery, error) { return l.cursor.RedeliverGhost(n, "uid-gone") } // its member does not answer
		offers := 0
		l.offer = func(name string) {
			if offers++; name == "busy" && offers > 4 {
				delete(l.answer, name)
			}
		}
		began := time.Now()
		r := l.dead.resend()
		l.ack(<-l.sent, "b")
		l.ack(<-l.sent, "busy")
		l.wait(r)
		l.wantStatus(r, resendingStatus{
			State: isDone, Records: 4, Delivered: 2, Kept: 2,
			Reasons: map[string]int{stream.ErrNotNow.Error(): 1, errNotWithin.Error(): 1},
		})
		if took := time.Since(began); took != againFor {
			t.Errorf("it took %v", took)
		}
		l.holds("taken held")
	})
}

func TestWhatIsForgottenIsKept(t *testing.T) {
	l := newLetters(t)
	l.refuse("a", "b")
	r := l.dead.resend()
	l.ack(<-l.sent, "a")
	<-l.sent
	l.ledger.Leave("alpha")
	l.wait(r)
	l.wantStatus(r, resendingStatus{
		State: isDone, Records: 2, Delivered: 1, Kept: 1, Reasons: map[string]int{errForgotten.Error(): 1},
	})
	l.holds("b")
}

// TestTheEndPutsBackWhatWasNotAccepted ends the program with one letter
// accepted, one under way, one that the lane has no room for, and one behind it. They stay where
// they are, for the next one.
func TestTheEndPutsBackWhatWasNotAccepted(t *testing.T) {
	l := newLetters(t)
	l.sent = make(chan uint64)
	l.refuse("a", "b", "c", "d")
	full := make(chan struct{})
	l.offer = func(name string) {
		if name == "c" {
			close(full)
		}
	}
	r := l.dead.resend()
	l.ack(<-l.sent, "a")
	<-l.sent
	<-full
	l.stop()
	l.wait(r)
	if s := r.status(); s.State != failed || s.Delivered != 1 || s.Kept != 3 || !strings.Contains(s.Error, "the program stops, or its settings change") {
		t.Errorf("status %+v", s)
	}
	l.holds("")
	if got := namesIn(t, l.path+deadletter.Suffix); got != "b c d" {
		t.Errorf("%q are left for the next one", got)
	}
}

// TestHangupOpensTheFileAnew has logrotate rename the file.
func TestHangupOpensTheFileAnew(t *testing.T) {
	l := newLetters(t)
	ctx, cancel := context.WithCancel(t.Context())
	hangup, ended := make(chan os.Signal), make(chan error, 1)
	go func() { ended <- openSinks(nil).run(ctx, l.dead, hangup) }()
	l.refuse("a")
	if err := os.Rename(l.path, l.path+".1"); err != nil {
		t.Fatal(err)
	}
	for range 2 { // once the second is taken, the first has been dealt with
		hangup <- syscall.SIGHUP
	}
	l.refuse("b")
	l.holds("b")
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestListDeadLetters(t *testing.T) {
	l := newLetters(t)
	l.refuse("a", "b")
	taken := must(l.dead.file.Take(t.Context()))(t)
	l.refuse("c\x1b")
	list := func(args ...string) (string, string, error) {
		var out, problems bytes.Buffer
		cmd := NewCommand(Options{})
		cmd.SetArgs(append([]string{"dead-letter", "list"}, args...))
		cmd.SetOut(&out)
		cmd.SetErr(&problems)
		err := cmd.ExecuteContext(t.Context())
		return out.String(), problems.String(), err
	}
	out, _, err := list("--dead-letter", l.path)
	if rows := strings.Split(strings.TrimSpace(out), "\n"); err != nil || len(rows) != 4 || !strings.HasPrefix(rows[0], "TIME") ||
		!strings.Contains(rows[1], "alpha/pods/ns/a") || !strings.Contains(rows[3], "alpha/pods/ns/c") || !strings.Contains(rows[3], "no such column") {
		t.Errorf("table, %v:\n%s", err, out)
	}
	if strings.Contains(out, "\x1b") {
		t.Error("control characters reach the terminal")
	}
	out, _, err = list("--dead-letter", l.path, "--output=json")
	if lines := strings.Split(strings.TrimSpace(out), "\n"); err != nil || len(lines) != 3 || !strings.Contains(lines[0], `"attempts":2,"event":{"specversion":"1.0"`) {
		t.Errorf("json, %v:\n%s", err, out)
	}
	if err := taken.Finish(t.Context(), deadletter.Lane{Sink: "fussy", Cluster: "alpha"}, func(int) bool { return false }); err != nil {
		t.Fatal(err)
	}

	bad := filepath.Join(t.TempDir(), "bad")
	writeFile(t, bad, "by hand\n")
	other := filepath.Join(t.TempDir(), "other")
	writeFile(t, other, strings.Repeat("\x7fELF\n", mostBadLines+3))
	for _, tc := range []struct {
		args []string
		want string
	}{
		{nil, "--dead-letter PATH"},
		{[]string{"--dead-letter", filepath.Join(t.TempDir(), "none")}, "no such file"},
		{[]string{"--dead-letter", l.path, "--output=xml"}, "neither table nor json"},
		{[]string{"--dead-letter", t.TempDir()}, "name the file in it"},
		{[]string{"--dead-letter", other}, "13 lines are no dead letters"},
		{[]string{"--dead-letter", bad}, "1 lines are no dead letters"},
	} {
		_, problems, err := list(tc.args...)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%v: error %v, want %q", tc.args, err, tc.want)
		}
		if strings.HasPrefix(tc.want, "1 lines") && !strings.Contains(problems, "line 1") {
			t.Errorf("%v: %q does not say where", tc.args, problems)
		}
		if strings.HasPrefix(tc.want, "13 lines") && (strings.Count(problems, "\n") != mostBadLines+1 || !strings.HasSuffix(problems, "and 3 more lines\n")) {
			t.Errorf("%v: %q, want %d lines, and how many more there are", tc.args, problems, mostBadLines)
		}
	}
}

func TestEndedLaneKeepsCountsOnly(t *testing.T) {
	l := newLetters(t)
	l.refuse("a", "b")
	l.answer["b"] = errors.New("gone fishing")
	r := l.dead.resend()
	l.ack(<-l.sent, "a")
	l.wait(r)
	for _, lane := range r.own.lanes {
		if lane.all != nil || lane.is != nil || lane.sent != nil || lane.offered != nil {
			t.Errorf("%+v is in memory", lane)
		}
	}
	if len(r.own.taken.Lanes()) > 0 || len(l.dead.lanes) > 0 || len(l.dead.open) > 0 {
		t.Error("the lane is in memory")
	}
	l.wantStatus(r, resendingStatus{State: isDone, Records: 2, Delivered: 1, Kept: 1, Reasons: map[string]int{"gone fishing": 1}})
}
