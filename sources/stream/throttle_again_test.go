package stream

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/ratelimit"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// A deletion that a snapshot has found takes one token, also if sinks have not accepted it when the
// next snapshot finds it again.
func TestThrottleOfDeletionsThatAreToldAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		h.live()
		h.limit(ratelimit.Limit{QPS: 0.01, Burst: 1})
		h.stream.Replay()
		go h.call("streaming list").open().send(endMark("20")) // neither a nor b
		time.Sleep(101 * time.Second)
		if n := h.queue.counts(); n != 2 {
			t.Fatalf("%d deletions came, want both", n)
		}
		h.stream.Replay()
		go h.call("streaming list").open().send(endMark("30")) // which is read for a token, and takes none
		time.Sleep(101 * time.Second)
		if n := h.queue.counts(); n != 4 {
			t.Errorf("%d of the 2 deletions came again at once", n-2)
		}
		h.wantState(member.Live)
	})
}

// A reader that waits for a token goes on at once when it needs none any more, because the main
// reader has read what comes next, however long it is until the next token.
func TestThrottleOfWhatTheMainReaderHasRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, func(o *Options) { o.Routes = append(o.Routes, Route{Name: "b", Queue: new(fakeQueue)}) })
		s := New(h.opts) // which does not run: its readers are this test
		var bucket fixedBucket
		bucket.lacks.Store(int64(time.Hour))
		s.SetThrottles(map[string]*Throttle{"configmaps": NewThrottle(&bucket)})
		main, behind := s.main.Load(), s.newReader("b", s.branches[1:])
		for _, r := range []*reader{main, behind} {
			r.target = &target{name: "configmaps"}
			r.watches("10")
		}
		a := &attempt{reader: behind, watchdog: newWatchdog(func(error) {}, s.cfg, behind.contended), running: t.Context()}
		went := make(chan error, 1)
		go func() { went <- a.awaitToken(t.Context(), "configmaps", true) }()
		synctest.Wait()
		select {
		case err := <-went:
			t.Fatalf("it does not wait for a token: %v", err)
		default:
		}
		began := time.Now()
		main.advance("11", false)
		if err := <-went; err != nil || time.Since(began) != 0 {
			t.Errorf("it has gone on after %v: %v", time.Since(began), err)
		}
	})
}

// A list in pages that the server ends because nobody reads on is told of as limited, not as a
// network that is broken. What was delivered of it counts.
func TestThrottledPageIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		h.live()
		h.limit(ratelimit.Limit{QPS: 0.01, Burst: 1})
		h.stream.Replay()
		h.call("streaming list").reply(404, status(404, "NotFound", "no streaming lists"))
		body := h.call("list by 500").open()
		whole := listOf(20, "", configMap("c", 12), configMap("d", 13), configMap("e", 14))
		cut := strings.Index(whole, `"name":"e"`)
		go func() {
			body.write(whole[:cut])
			body.fail(io.ErrUnexpectedEOF)
		}()
		time.Sleep(200*time.Second + time.Millisecond)
		st := h.wantState(member.BackingOff)
		if st.Reason != "limited" || !strings.Contains(st.LastError, "limit of the resource") || st.Attempt != 1 {
			t.Errorf("it is said to be %+v", st)
		}
		if err := h.conn.lastReport(); err != nil {
			t.Errorf("the connection is told of %v", err)
		}
		if n := h.queue.counts(); n != 2 {
			t.Errorf("%d were read of the page", n)
		}
		h.want(true, "added c uid-c@12 snapshot", "added d uid-d@13 snapshot")
		h.call("streaming list").reply(404, status(404, "NotFound", "no streaming lists"))
		h.call("list by 500").reply(200, whole)
		h.want(true, "added e uid-e@14 snapshot")
	})
}

// A page that breaks off for another reason is a network that is broken, with a limit or without.
func TestPageThatIsCutUnderALimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		h.live()
		h.limit(ratelimit.Limit{QPS: 1, Burst: 10})
		h.stream.Replay()
		h.call("streaming list").reply(404, status(404, "NotFound", "no streaming lists"))
		body := h.call("list by 500").open()
		go func() {
			whole := listOf(20, "", configMap("c", 12), configMap("d", 13))
			body.write(whole[:strings.Index(whole, `"name":"d"`)])
			body.fail(io.ErrUnexpectedEOF)
		}()
		if st := h.wantState(member.BackingOff); st.Reason != "network" {
			t.Errorf("it is said to be %+v", st)
		}
	})
}
