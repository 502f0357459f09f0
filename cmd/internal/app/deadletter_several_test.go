package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/internal/testserver"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks/deadletter"
	"github.com/fairlead-dev/fairlead/sources/stream"
)

// refuseOf is a sink of that name that refuses objects, which are acked nevertheless.
func (l *letters) refuseOf(sink string, names ...string) {
	l.t.Helper()
	before := l.sink
	l.sink = sink
	l.refuse(names...)
	l.sink = before
}

// A sink that takes nothing holds up no retry of what another one has refused, and what is
// on its way to it is taken only once.
func TestASinkThatIsDownHoldsUpNoOtherRetry(t *testing.T) {
	l := newLetters(t)
	l.refuseOf("down", "a")
	first := l.dead.resend()
	a := <-l.sent
	l.refuse("b")
	second := l.dead.resend()
	l.ack(<-l.sent, "b")
	l.wait(second)
	toDown := []waitingLane{{"down", "alpha", 1}}
	l.wantStatus(second, resendingStatus{State: isDone, Records: 1, Delivered: 1, Earlier: 1, Lanes: toDown})
	l.holds("")

	// There is nothing to take but for the lane that is under way: it is joined.
	l.refuseOf("down", "c")
	before := must(os.Stat(l.path))(t)
	var joined *order
	for range 3 {
		joined = l.dead.resend()
		<-joined.began
		l.wantStatus(joined, resendingStatus{State: goingOn, Records: 1, Waiting: 1, Lanes: toDown})
	}
	if after := must(os.Stat(l.path))(t); !os.SameFile(before, after) || len(deadletter.Files(l.path)) != 2 {
		t.Errorf("the file was taken: %v", deadletter.Files(l.path))
	}
	l.ack(a, "a")
	for _, o := range []*order{first, joined} {
		l.wait(o)
		l.wantStatus(o, resendingStatus{State: isDone, Records: 1, Delivered: 1})
	}
	l.holds("c")
	last := l.dead.resend()
	l.ack(<-l.sent, "c")
	l.wait(last)
	l.wantStatus(last, resendingStatus{State: isDone, Records: 1, Delivered: 1})
	l.holds("")
}

// However many retries a sink that takes nothing has under way, one of another sink begins. What
// is left of the first one is told.
func TestManyRetriesOfASinkThatIsDown(t *testing.T) {
	l := newLetters(t)
	l.offerOf = func(cluster, _ string) {
		if cluster != "alpha" {
			<-l.t.Context().Done() // no room
		}
	}
	l.sink = "down"
	for i := range 100 {
		l.deadLetterOf(fmt.Sprint("c", i), "a", "7")
		<-l.dead.resend().began
	}
	l.sink = "fussy"
	l.refuse("b")
	o := l.dead.resend()
	l.ack(<-l.sent, "b")
	l.wait(o)
	s := o.status()
	if want := map[string]int{`8 earlier retries of sink "down" go on; wait until one of them has ended`: 92}; s.State != isDone || s.Delivered != 1 || !maps.Equal(s.Reasons, want) {
		t.Errorf("%+v", s)
	}
}

// What a lane has kept is sent by the next retry, although others of its own go on.
func TestALaneThatHasEndedIsTakenAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLetters(t)
		room := make(chan struct{})
		l.offerOf = func(cluster, _ string) {
			if cluster == "beta" {
				<-room
			}
		}
		l.deadLetterOf("beta", "a", "7")
		l.refuse("b", "c")
		l.answer["a"], l.answer["c"] = stream.ErrSuperseded, errors.New("gone fishing")
		first := l.dead.resend()
		l.ack(<-l.sent, "b")
		synctest.Wait()
		l.holds("c")
		delete(l.answer, "c")
		second := l.dead.resend()
		l.ack(<-l.sent, "c")
		l.wait(second)
		l.wantStatus(second, resendingStatus{
			State: isDone, Records: 1, Delivered: 1, Earlier: 1, Lanes: []waitingLane{{"fussy", "beta", 1}},
		})
		close(room)
		l.wait(first)
		l.wantStatus(first, resendingStatus{
			State: isDone, Records: 3, Delivered: 1, Superseded: 1, Kept: 1, Reasons: map[string]int{"gone fishing": 1},
		})
		l.holds("")
	})
}

// The program is killed while two retries are under way: nothing is lost, and all is listed.
func TestACrashOfTwoRetriesLosesNothing(t *testing.T) {
	l := newLetters(t)
	l.refuseOf("down", "a", "b")
	l.dead.resend()
	<-l.sent
	<-l.sent
	l.refuseOf("broken", "c")
	second := l.dead.resend()
	<-l.sent
	l.refuse("d")
	<-second.began
	dir := t.TempDir()
	path := filepath.Join(dir, "dead")
	for i, name := range deadletter.Files(l.path) {
		text := must(os.ReadFile(name))(t)
		writeFile(t, path+strings.TrimPrefix(name, l.path), string(text))
		if i == 2 && name != l.path {
			t.Errorf("there are %q", deadletter.Files(l.path))
		}
	}
	out, err := command(t, "dead-letter", "list", "--dead-letter", path)
	for _, name := range []string{"a", "b", "c", "d"} {
		if err != nil || strings.Count(out, "alpha/pods/ns/"+name) != 1 {
			t.Errorf("list, for %s: %v\n%s", name, err, out)
		}
	}
	next := must(openDeadLetters(path, logr.Discard(), prometheus.NewRegistry()))(t)
	defer next.close()
	to := &collector{}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- next.run(ctx, to) }()
	o := next.resend()
	l.wait(o)
	if s := o.status(); s.State != isDone || s.Records != 4 || s.Superseded != 4 {
		t.Errorf("status %+v", s)
	}
	slices.Sort(to.names)
	if got := strings.Join(to.names, " "); got != "a b c d" {
		t.Errorf("%q are sent", got)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// collector is a resender to which all is superseded.
type collector struct {
	mu    sync.Mutex
	names []string
}

func (c *collector) Redeliver(_ context.Context, _ string, e *pipeline.Event) (*ledger.Redelivery, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.names = append(c.names, e.Name)
	return nil, stream.ErrSuperseded
}

func (c *collector) RedeliverGhost(context.Context, string, *pipeline.Event) (*ledger.Redelivery, error) {
	return nil, stream.ErrSuperseded
}

// The disk fails while another retry is under way: who asks is told.
func TestADiskThatFailsIsTold(t *testing.T) {
	l := newLetters(t)
	base, _ := fakeAdmin(t, l.dead)
	l.refuseOf("down", "a")
	l.dead.resend()
	a := <-l.sent
	l.refuse("b", "c")
	l.answer["c"] = errors.New("gone fishing")
	o := l.dead.resend()
	b := <-l.sent
	remove(t, l.path)
	if err := os.Mkdir(l.path, 0o700); err != nil {
		t.Fatal(err)
	}
	l.ack(b, "b")
	l.wait(o)
	if s := o.status(); s.State != failed || !strings.Contains(s.Error, "put dead letters back") || s.Earlier != 1 {
		t.Errorf("status %+v", s)
	}
	for range 2 {
		out, err := command(t, "dead-letter", "retry", "--admin="+base)
		if err == nil || !strings.Contains(err.Error(), "put dead letters back") || !strings.Contains(out, "1 more are on their way since earlier retries") {
			t.Errorf("%q, %v", out, err)
		}
	}
	remove(t, l.path)
	delete(l.answer, "c")
	o = l.dead.resend()
	l.ack(<-l.sent, "c")
	l.wait(o)
	l.wantStatus(o, resendingStatus{State: isDone, Records: 1, Delivered: 1, Earlier: 1, Lanes: []waitingLane{{"down", "alpha", 1}}})
	l.ack(a, "a")
}

// The records of a lane are offered in the order of the file, beside those of others.
func TestTheOrderWithinALane(t *testing.T) {
	l := newLetters(t)
	var want []string
	for i := range 50 {
		for _, cluster := range []string{"alpha", "beta"} {
			l.deadLetterOf(cluster, fmt.Sprint("n", i), "7")
		}
		want = append(want, fmt.Sprint("n", i))
	}
	var mu sync.Mutex
	got := map[string][]string{}
	l.offerOf = func(cluster, name string) {
		mu.Lock()
		defer mu.Unlock()
		got[cluster] = append(got[cluster], name)
	}
	l.wait(l.dead.resend()) // the ledger knows none of them
	mu.Lock()
	defer mu.Unlock()
	for _, cluster := range []string{"alpha", "beta"} {
		if !slices.Equal(got[cluster], want) {
			t.Errorf("%s: %q", cluster, got[cluster])
		}
	}
}

// Lines that are no records are kept, are counted, and hold up nothing.
func TestLinesThatAreNoRecordsAreKept(t *testing.T) {
	l := newLetters(t)
	l.refuse("a")
	text := string(must(os.ReadFile(l.path))(t))
	twice := strings.Replace(text, `"sink":`, `"sink":"y","sink":`, 1)
	junk := strings.Repeat("by hand\n", maxReasons+5)
	writeFile(t, l.path, junk+twice+text)
	r := l.dead.resend()
	l.ack(<-l.sent, "a")
	l.wait(r)
	s := r.status()
	if s.State != isDone || s.Records != maxReasons+7 || s.Delivered != 1 || s.Kept != maxReasons+6 || s.Reasons[otherReasons] != 6 {
		t.Errorf("status %+v", s)
	}
	if got := string(must(os.ReadFile(l.path))(t)); got != junk+twice {
		t.Errorf("the file holds %q", got)
	}
}

// All ghosts of a lane are noted together, before what waits for room, so that they share a
// snapshot.
func TestGhostsAreNotedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLetters(t)
		l.refuse("busy", "a", "b")
		asked := l.takeName("a")
		l.answer["b"] = stream.ErrNameTaken
		offers := 0
		l.answer["busy"] = stream.ErrNotNow
		l.sent = make(chan uint64) // no room
		l.offer = func(name string) {
			if name != "busy" {
				return
			}
			if offers++; offers > 1 {
				delete(l.answer, name)
			}
		}
		l.dead.resend()
		synctest.Wait()
		if *asked != 2 || offers != 2 {
			t.Errorf("%d ghosts are asked for, and what comes behind them %d times", *asked, offers)
		}
	})
}

// fullLanes is a resender all of whose lanes are full, but for that of cluster "free".
type fullLanes struct {
	*letters
	takes time.Duration // to hand one over to the free lane
	want  int
	done  chan struct{} // closed when the free lane has as many

	mu              sync.Mutex
	free            int
	waiting, atMost int
}

func (f *fullLanes) Redeliver(ctx context.Context, _ string, e *pipeline.Event) (*ledger.Redelivery, error) {
	if e.Cluster != "free" {
		f.mu.Lock()
		f.waiting++
		f.atMost = max(f.atMost, f.waiting)
		f.mu.Unlock()
		<-ctx.Done()
		f.mu.Lock()
		defer f.mu.Unlock()
		f.waiting--
		return nil, fmt.Errorf("wait for room: %w", ctx.Err())
	}
	time.Sleep(f.takes) // of the bubble
	n, v := identityOf(e.Name)
	r, sequence, err := f.cursor.Redeliver(n, v, false)
	if err != nil {
		return nil, err
	}
	f.ack(sequence, e.Name)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.free++; f.free == f.want {
		close(f.done)
	}
	return r, nil
}

// Lanes that are full hold up one that is not for a bounded time, although there is memory for few
// records only. The program ends at once.
func TestAThousandFullLanes(t *testing.T) {
	const letters = 1000
	for _, tc := range []struct {
		lanes, records int
		takes, want    time.Duration
	}{
		{1000, 16, 0, 17 * time.Second},
		// In ten turns. Each full lane holds one of four shares for 0.25, 0.5 and 1 s meanwhile, and then
		// for longer, but not within 105 s: 250 times that, divided by four, and ten seconds of its own.
		{250, 4, 10 * time.Millisecond, 120 * time.Second},
	} {
		lanes, records := tc.lanes, tc.records
		synctest.Test(t, func(t *testing.T) {
			l := newLetters(t)
			f := &fullLanes{letters: l, takes: tc.takes, want: letters, done: make(chan struct{})}
			l.runTo(f, int64(records)*leastLetterShare)
			l.deadLetter("NAME")
			line := string(must(os.ReadFile(l.path))(t))
			var text strings.Builder
			add := func(cluster, name string) {
				text.WriteString(strings.NewReplacer("alpha", cluster, "NAME", name).Replace(line))
			}
			for i := range letters {
				name := fmt.Sprint("n", i)
				l.observe(name)
				if i < lanes {
					add(fmt.Sprint("full-", i), name)
				}
				add("free", name)
			}
			writeFile(t, l.path, text.String())
			began := time.Now()
			o := l.dead.resend()
			<-f.done
			t.Logf("%v each: %v", tc.takes, time.Since(began))
			if took := time.Since(began); took > tc.want {
				t.Errorf("the free lane took %v, want at most %v", took, tc.want)
			}
			f.mu.Lock()
			if f.atMost > records {
				t.Errorf("%d records were in memory", f.atMost)
			}
			f.mu.Unlock()
			time.Sleep(time.Minute)
			stopped := time.Now()
			l.stop()
			l.wait(o)
			if took := time.Since(stopped); took > 0 {
				t.Errorf("it took %v to end", took)
			}
			if s := o.status(); s.Delivered != letters || s.Kept != lanes {
				t.Errorf("status %+v", s)
			}
		})
	}
}

// A letter that could not be put back is told of until it is, also after another retry.
func TestALetterThatIsNotPutBackIsToldOf(t *testing.T) {
	l := newLetters(t)
	l.refuseOf("down", "a")
	l.refuse("b")
	l.answer["b"] = errors.New("gone fishing")
	l.offer = func(name string) {
		if name == "b" { // an editor joins it with what comes behind it
			f := must(os.OpenFile(l.path+deadletter.Suffix, os.O_WRONLY, 0))(t)
			defer func() { _ = f.Close() }()
			// In place: the other lane may read the rest.
			must(f.WriteAt([]byte(" "), must(f.Seek(0, io.SeekEnd))(t)-1))(t)
		}
	}
	first := l.dead.resend()
	a := <-l.sent
	testserver.Poll(t, "the lane has ended, so that its letters can be taken again", func() bool {
		l.dead.mu.Lock()
		defer l.dead.mu.Unlock()
		_, under := l.dead.lanes[deadletter.Lane{Sink: "fussy", Cluster: "alpha"}]
		return !under && len(l.dead.open) > 0
	})
	l.refuseOf("other", "c")
	second := l.dead.resend()
	l.ack(<-l.sent, "c")
	l.wait(second)
	if s := second.status(); s.State != isDone || s.Delivered != 1 || s.Earlier != 1 {
		t.Errorf("status of the second %+v", s)
	}
	s := first.status()
	if s.State != goingOn || !strings.Contains(s.Error, "could not be put back") {
		t.Errorf("status of the first %+v", s)
	}
	l.ack(a, "a")
	l.wait(first)
	if line := lineOfResending(&s); !strings.Contains(line, "could not be put back") || !strings.Contains(line, "2 dead letters: 0 delivered") {
		t.Errorf("the page says %q", line)
	}
}

// slowLane is a resender all of whose lanes are full, but for that of cluster "slow": it takes
// long for each record.
type slowLane struct {
	takes time.Duration
	got   atomic.Int64
}

func (s *slowLane) Redeliver(ctx context.Context, _ string, e *pipeline.Event) (*ledger.Redelivery, error) {
	takes := time.Duration(math.MaxInt64)
	if e.Cluster == "slow" {
		takes = s.takes
	}
	timer := time.NewTimer(takes)
	defer timer.Stop()
	select {
	case <-timer.C:
		s.got.Add(1)
		return nil, stream.ErrSuperseded
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s *slowLane) RedeliverGhost(context.Context, string, *pipeline.Event) (*ledger.Redelivery, error) {
	return nil, stream.ErrNotNow
}

// A lane that takes longer for a record than lanes hold their memory at first moves all the same.
func TestASlowLaneBesideFullOnes(t *testing.T) {
	for _, tc := range []struct {
		takes time.Duration
		want  int64 // after a quarter of an hour
	}{{300 * time.Millisecond, 100}, {3 * time.Second, 10}} {
		synctest.Test(t, func(t *testing.T) {
			l := newLetters(t)
			to := &slowLane{takes: tc.takes}
			l.runTo(to, 4*leastLetterShare)
			l.deadLetter("NAME")
			line := string(must(os.ReadFile(l.path))(t))
			var text strings.Builder
			for i := range 250 {
				for _, cluster := range []string{"slow", fmt.Sprint("full", i)} {
					text.WriteString(strings.NewReplacer("alpha", cluster, "NAME", fmt.Sprint("n", i)).Replace(line))
				}
			}
			writeFile(t, l.path, text.String())
			l.dead.resend()
			time.Sleep(15 * time.Minute)
			if got := to.got.Load(); got < tc.want {
				t.Errorf("%v each: %d letters are handed over, want %d", tc.takes, got, tc.want)
			}
		})
	}
}
