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
		_, _ = h.stream.Replay()
		go h.call("streaming list").open().send(endMark("20")) // neither a nor b
		time.Sleep(101 * time.Second)
		if n := h.queue.counts(); n != 2 {
			t.Fatalf("%d deletions came, want both", n)
		}
		_, _ = h.stream.Replay()
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

// It goes on, too, when another reader, which is further, takes the place of the main one.
func TestThrottleOfWhatTheNextMainReaderHasRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, func(o *Options) {
			o.Routes = append(o.Routes, Route{Name: "b", Queue: new(fakeQueue)}, Route{Name: "c", Queue: new(fakeQueue)})
		})
		s := New(h.opts) // which does not run: its readers are this test
		var bucket fixedBucket
		bucket.lacks.Store(int64(time.Hour))
		s.SetThrottles(map[string]*Throttle{"configmaps": NewThrottle(&bucket)})
		main, behind, further := s.main.Load(), s.newReader("b", s.branches[1:2]), s.newReader("c", s.branches[2:])
		for r, at := range map[*reader]string{main: "10", behind: "10", further: "12"} {
			r.target = &target{name: "configmaps"}
			r.watches(at)
		}
		main.inStep, main.blocked = s.branches[:1], true
		a := &attempt{reader: behind, watchdog: newWatchdog(func(error) {}, s.cfg, behind.contended), running: t.Context()}
		went := make(chan error, 1)
		go func() { went <- a.awaitToken(t.Context(), "configmaps", true) }()
		synctest.Wait()
		began := time.Now()
		if further.join(); s.main.Load() != further {
			t.Fatal("the reader that is further is not the main one")
		}
		if err := <-went; err != nil || time.Since(began) != 0 {
			t.Errorf("it has gone on after %v: %v", time.Since(began), err)
		}
	})
}

// A list in pages that the server ends because nobody reads on is told of as limited, with what has
// ended it. Delays grow all the same. What was read of it takes no second token, and what sinks have
// accepted counts.
func TestThrottledPageIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		h.live()
		h.limit(ratelimit.Limit{QPS: 0.01, Burst: 1})
		_, _ = h.stream.Replay()
		h.call("streaming list").reply(404, status(404, "NotFound", "no streaming lists"))
		whole := listOf(20, "", configMap("c", 12), configMap("d", 13), configMap("e", 14), configMap("f", 15), configMap("g", 16))
		breaksOff := func(attempt int, within string, read int) {
			t.Helper()
			body := h.call("list by 500").open()
			go func() {
				body.write(whole[:strings.Index(whole, `"name":"`+within+`"`)])
				body.fail(io.ErrUnexpectedEOF)
			}()
			time.Sleep(200*time.Second + time.Millisecond)
			st := h.wantState(member.BackingOff)
			if st.Reason != "limited" || !strings.Contains(st.LastError, "limit of the resource") || !strings.HasSuffix(st.LastError, "unexpected EOF") || st.Attempt != attempt {
				t.Errorf("it is said to be %+v", st)
			}
			if err := h.conn.lastReport(); err != nil {
				t.Errorf("the connection is told of %v", err)
			}
			if n := h.queue.counts(); n != read {
				t.Errorf("%d were read of the page, want %d", n, read)
			}
		}
		breaksOff(1, "e", 2)
		h.want(false, "added c uid-c@12 snapshot", "added d uid-d@13 snapshot")
		h.call("streaming list").reply(404, status(404, "NotFound", "no streaming lists"))
		breaksOff(2, "g", 4)
		h.want(true, "added c uid-c@12 snapshot", "added d uid-d@13 snapshot", "added e uid-e@14 snapshot", "added f uid-f@15 snapshot")
		h.call("streaming list").reply(404, status(404, "NotFound", "no streaming lists"))
		h.call("list by 500").reply(200, whole)
		h.want(true, "added g uid-g@16 snapshot")
	})
}

// A streaming list that breaks off, or that the server ends because its time is over, is limited, too,
// if it has waited for tokens for most of the time. A short wait is none.
func TestThrottledStreamingListIsCut(t *testing.T) {
	for name, test := range map[string]struct {
		limit  ratelimit.Limit
		cut    func(*fakeBody)
		reason string
		says   string
	}{
		"it breaks off":    {ratelimit.Limit{QPS: 0.01, Burst: 1}, func(b *fakeBody) { b.fail(io.ErrUnexpectedEOF) }, "limited", "unexpected EOF"},
		"its time is over": {ratelimit.Limit{QPS: 0.01, Burst: 1}, func(b *fakeBody) { b.end() }, "limited", "broke off"},
		"after no wait":    {ratelimit.Limit{QPS: 10, Burst: 10}, func(b *fakeBody) { b.fail(io.ErrUnexpectedEOF) }, "network", "unexpected EOF"},
		"an end so soon":   {ratelimit.Limit{QPS: 10, Burst: 10}, func(b *fakeBody) { b.end() }, "closed", ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := start(t)
				h.live()
				h.limit(test.limit)
				_, _ = h.stream.Replay()
				for attempt := range 4 {
					list := h.call("streaming list")
					if st := h.stream.Status(); attempt > 0 && (st.Reconnects[test.reason] != uint64(attempt) || !strings.Contains(st.LastError, test.says) || st.Attempt != attempt) {
						t.Fatalf("it is said to be %+v", st)
					}
					body := list.open()
					go func() {
						body.send(event("ADDED", "c", 20+10*attempt), event("ADDED", "d", 21+10*attempt), event("ADDED", "e", 22+10*attempt))
						test.cut(body)
					}()
				}
			})
		})
	}
}

// A page that breaks off for another reason is a network that is broken, under a limit as without: it
// has not waited for long, or not for most of the time. Delays grow, and the attempts are counted.
func TestPageThatIsCutUnderALimit(t *testing.T) {
	for name, test := range map[string]struct {
		limit ratelimit.Limit
		slow  time.Duration // the member sends the last bytes so much later
	}{
		"no wait":                        {ratelimit.Limit{QPS: 1, Burst: 10}, 0},
		"waits for all of a short time":  {ratelimit.Limit{QPS: 1, Burst: 1}, 0},
		"waits for less than limitedFor": {ratelimit.Limit{QPS: 0.07, Burst: 1}, 0},
		"a slow member":                  {ratelimit.Limit{QPS: 0.05, Burst: 1}, 2 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := start(t)
				h.live()
				h.limit(test.limit)
				_, _ = h.stream.Replay()
				whole := listOf(20, "", configMap("c", 12), configMap("d", 13), configMap("e", 14))
				for attempt := range 5 {
					list := h.call("streaming list")
					if st := h.stream.Status(); attempt > 0 && (st.Reconnects["network"] != uint64(attempt) || st.Reconnects["limited"] != 0 || st.LastError != "unexpected EOF" || st.Attempt != attempt) {
						t.Errorf("it is said to be %+v", st)
					}
					if attempt == 4 {
						return
					}
					list.reply(404, status(404, "NotFound", "no streaming lists"))
					body := h.call("list by 500").open()
					go func() {
						body.write(whole[:strings.Index(whole, `"name":"e"`)])
						time.Sleep(test.slow)
						body.fail(io.ErrUnexpectedEOF)
					}()
				}
			})
		})
	}
}

// A deletion is paid once its token is taken, not once it is found: what ends while it waits for one
// lets none through.
func TestThrottleOfADeletionThatIsInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		h.live()
		h.limit(ratelimit.Limit{QPS: 0.001, Burst: 1})
		resource := h.stream.Status().Resource
		_, _ = h.stream.Replay()
		go h.call("streaming list").open().send(endMark("20")) // neither a nor b
		time.Sleep(500 * time.Second)
		h.stream.SetPaused(map[string]Pause{resource: Stopped})
		synctest.Wait()
		h.stream.SetPaused(nil)
		body := h.call("streaming list").open()
		go body.send(endMark("30"))
		time.Sleep(501 * time.Second)
		if n := h.queue.counts(); n != 3 {
			t.Fatalf("%d deletions came, want one, and then both", n)
		}
		go body.send(event("ADDED", "c", 31))
		if n := h.queue.counts(); n != 3 {
			t.Error("the token of the second deletion is there for the next change")
		}
		time.Sleep(1000 * time.Second)
		if n := h.queue.counts(); n != 4 {
			t.Error("the next change does not come for the next token")
		}
	})
}
