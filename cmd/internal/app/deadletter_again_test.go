package app

import (
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks/deadletter"
	"github.com/fairlead-dev/fairlead/sources/stream"
)

// takeName has another object take the name of one, whose deletion is noted as a ghost. It
// returns the number of ghosts that have been asked for.
func (l *letters) takeName(name string) (asked *int) {
	asked = new(int)
	l.answer[name] = stream.ErrNameTaken
	n, _ := identityOf(name)
	l.ghost = func() (*ledger.Redelivery, error) {
		*asked++
		return l.cursor.RedeliverGhost(n, "uid-gone")
	}
	return asked
}

func (l *letters) ackGhost(name string) {
	n, _ := identityOf(name)
	l.cursor.AckGhost(n, "uid-gone")
}

// A lane that is full for hours holds up nothing that another one has deferred.
func TestAFullLaneHoldsUpNoDeferredLetterOfAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLetters(t)
		l.refuse("a", "busy", "held", "b")
		l.deadLetterOf("beta", "b", "7")
		l.deadLetterOf("beta", "a", "7")
		asked := l.takeName("a")
		l.answer["busy"], l.answer["held"] = stream.ErrNotNow, stream.ErrNotNow
		room := make(chan struct{})
		began := time.Now()
		l.offerOf = func(cluster, name string) {
			switch {
			case cluster == "beta":
				<-room
			case name == "busy" && time.Since(began) > 3*againEvery:
				delete(l.answer, name)
			}
		}
		r := l.dead.resend()
		l.ack(<-l.sent, "b")
		time.Sleep(2 * againEvery) // of the bubble
		synctest.Wait()
		if *asked != 1 {
			t.Fatalf("the ghost is asked for %d times", *asked)
		}
		l.ackGhost("a")
		l.ack(<-l.sent, "busy")
		if took := time.Since(began); took > 10*againEvery {
			t.Errorf("what was deferred is sent after %v", took)
		}
		time.Sleep(2 * time.Hour)
		l.wantStatus(r, resendingStatus{
			State: goingOn, Records: 6, Delivered: 3, Kept: 1, Waiting: 2, Reasons: map[string]int{stream.ErrNotNow.Error(): 1},
			Lanes: []waitingLane{{"fussy", "beta", 2}},
		})
		l.answer["a"], l.answer["b"] = stream.ErrSuperseded, stream.ErrSuperseded
		close(room)
		l.wait(r)
		l.wantStatus(r, resendingStatus{
			State: isDone, Records: 6, Delivered: 3, Superseded: 2, Kept: 1, Reasons: map[string]int{stream.ErrNotNow.Error(): 1},
		})
		l.holds("held")
	})
}

// The snapshot takes longer than a minute: the next resending knows what became of the deletion.
func TestALateGhostIsNotNotedAnew(t *testing.T) {
	for name, tc := range map[string]struct {
		settle func(l *letters, again func() *order) *order
		want   resendingStatus
		holds  string
	}{
		"accepted before the next one": {
			func(l *letters, again func() *order) *order {
				time.Sleep(10 * time.Second)
				l.ackGhost("a")
				return again()
			},
			resendingStatus{State: isDone, Records: 1, Delivered: 1}, "",
		},
		"accepted during the next one": {
			func(l *letters, again func() *order) *order {
				r := again()
				time.Sleep(10 * time.Second)
				l.ackGhost("a")
				return r
			},
			resendingStatus{State: isDone, Records: 1, Delivered: 1}, "",
		},
		"refused again": { // whose record is the one that stays
			func(l *letters, again func() *order) *order {
				l.deadLetterOf("alpha", "a", "8")
				l.ackGhost("a")
				l.answer["a"] = stream.ErrNotNow // of the new record
				return again()
			},
			resendingStatus{State: isDone, Records: 2, RefusedAgain: 1, Kept: 1, Reasons: map[string]int{stream.ErrNotNow.Error(): 1}}, "a",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLetters(t)
				l.refuse("a")
				asked := l.takeName("a")
				r := l.dead.resend()
				l.wait(r)
				l.wantStatus(r, resendingStatus{State: isDone, Records: 1, Kept: 1, Reasons: map[string]int{errNotWithin.Error(): 1}})
				l.holds("a")
				r = tc.settle(l, l.dead.resend)
				l.wait(r)
				l.wantStatus(r, tc.want)
				l.holds(tc.holds)
				if *asked != 1 {
					t.Errorf("the ghost is asked for %d times", *asked)
				}
				if n := l.dead.ghosts.n; n != 0 || len(l.dead.ghosts.all) != 0 {
					t.Errorf("%d ghosts are remembered", n)
				}
			})
		})
	}
}

// The file cannot be read any more: what was not sent stays in it, and the answer says so.
func TestAFileThatCannotBeReadIsTold(t *testing.T) {
	l := newLetters(t)
	l.refuse("a", "b")
	l.offer = func(name string) {
		if name == "a" {
			info, err := os.Stat(l.path + deadletter.Suffix)
			if err == nil {
				err = os.Truncate(l.path+deadletter.Suffix, info.Size()-10)
			}
			if err != nil {
				t.Error(err)
			}
		}
	}
	r := l.dead.resend()
	l.ack(<-l.sent, "a")
	l.wait(r)
	if s := r.status(); s.State != failed || !strings.Contains(s.Error, "could not be put back") || s.Delivered != 1 || s.Kept != 1 {
		t.Errorf("status %+v", s)
	}
}

func TestNotedGhostsAreBounded(t *testing.T) {
	var n notedGhosts
	record := func(i int) *deadletter.Record {
		return &deadletter.Record{Sink: "s", Event: pipeline.Event{Cluster: "alpha", Name: fmt.Sprint(i / 2), ID: fmt.Sprint(i)}}
	}
	var last *notedGhost
	for i := range maxNotedGhosts + 10 {
		last = n.note(record(i), &ledger.Redelivery{})
	}
	count := 0
	for _, all := range n.all {
		count += len(all)
	}
	if count != maxNotedGhosts || n.n != count {
		t.Errorf("%d are remembered, %d are counted", count, n.n)
	}
	last.take()
	last.take()
	if n.n != maxNotedGhosts-1 {
		t.Errorf("%d are counted after one was taken", n.n)
	}
}

// Of letters that wait for the same snapshot one is offered in each round, and they share an error.
func TestOneLetterAsksForASnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const letters = 100
		l := newLetters(t)
		var offers atomic.Int64
		l.offer = func(string) { offers.Add(1) }
		for i := range letters {
			name := fmt.Sprint("n", i)
			l.deadLetter(name)
			l.answer[name] = fmt.Errorf("%w: of pods", stream.ErrNoneNow)
		}
		l.refuse("busy") // another object's state is on its way: that says nothing of others
		l.answer["busy"] = stream.ErrNotNow
		o := l.dead.resend()
		synctest.Wait()
		first := offers.Load()
		time.Sleep(5 * againEvery)
		synctest.Wait()
		if n := offers.Load() - first; n > 2*6 {
			t.Errorf("%d offers in 5 s", n)
		}
		l.wait(o)
		if s := o.status(); s.Kept != letters+1 {
			t.Errorf("status %+v", s)
		}
	})
}

func TestDeferredLettersShareTheirErrors(t *testing.T) {
	l := &letterLane{}
	for i := range 10 * maxReasons {
		why := fmt.Errorf("%w: reason %d", stream.ErrNameTaken, i%maxReasons)
		first, again := l.deferral(i, why), l.deferral(i, fmt.Errorf("%w: reason %d", stream.ErrNameTaken, i%maxReasons))
		if first.why != again.why || !first.isGhost() { //nolint:errorlint // the same one is asked for
			t.Fatalf("%v and %v", first, again)
		}
	}
	if d := l.deferral(0, fmt.Errorf("%w: one more", stream.ErrNameTaken)); d.why != stream.ErrNameTaken || len(l.whys) != maxReasons { //nolint:errorlint // as above
		t.Errorf("%v, of %d", d, len(l.whys))
	}
}
