package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/semaphore"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairlead-dev/fairlead/internal/apistatus"
	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sources/member"
	"github.com/fairlead-dev/fairlead/sources/stream/wire"
)

func TestRefusals(t *testing.T) {
	second, minute := time.Second, time.Minute
	for _, test := range []struct {
		name             string
		answer           func(*fakeCall)
		pages            func(*fakeCall) // nil: it does not go on in pages
		state            member.State
		reason           string
		soonest, latest  time.Duration
		reportedAsBroken bool
	}{
		{name: "401", answer: replies(401, "Unauthorized"), state: member.Waiting, reason: "unauthorized", soonest: minute / 2, latest: minute, reportedAsBroken: true},
		{name: "403", answer: replies(403, "Forbidden"), state: member.Waiting, reason: "forbidden", soonest: minute / 2, latest: minute},
		{name: "404", answer: replies(404, "NotFound"), pages: replies(404, "NotFound"), state: member.Waiting, reason: "missing", soonest: 30 * second, latest: 45 * second},
		{name: "429", answer: replies(429, "TooManyRequests"), state: member.BackingOff, reason: "throttled", latest: second},
		{name: "429 with Retry-After", answer: func(c *fakeCall) {
			c.reply(429, "slow down", "Retry-After", "17", "Content-Type", "text/plain")
		}, state: member.BackingOff, reason: "throttled", soonest: 17 * second, latest: 17 * second},
		{name: "429 with an absurd Retry-After", answer: func(c *fakeCall) {
			c.reply(429, "slow down", "Retry-After", "1000000000", "Content-Type", "text/plain")
		}, state: member.BackingOff, reason: "throttled", soonest: apistatus.LongestRetryAfter, latest: apistatus.LongestRetryAfter},
		{name: "400", answer: replies(400, "BadRequest"), pages: replies(400, "BadRequest"), state: member.Waiting, reason: "rejected", soonest: minute / 2, latest: minute},
		{name: "500", answer: replies(500, "InternalError"), pages: replies(500, "InternalError"), state: member.BackingOff, reason: "unavailable", latest: second},
		{name: "503", answer: replies(503, "ServiceUnavailable"), state: member.BackingOff, reason: "unavailable", latest: second, reportedAsBroken: true},
		{name: "503 with a delay", answer: func(c *fakeCall) {
			c.reply(503, "starting", "Retry-After", "9", "Content-Type", "text/plain")
		}, state: member.BackingOff, reason: "unavailable", soonest: 9 * second, latest: 9 * second, reportedAsBroken: true},
		{name: "a page with 401", answer: page(401), state: member.Waiting, reason: "unauthorized", soonest: minute / 2, latest: minute, reportedAsBroken: true},
		{name: "a page with 403", answer: page(403), state: member.BackingOff, reason: "unavailable", latest: second, reportedAsBroken: true},
		{name: "a page with 404", answer: page(404), state: member.BackingOff, reason: "unavailable", latest: second, reportedAsBroken: true},
		{name: "a page with 410", answer: page(410), state: member.BackingOff, reason: "unavailable", latest: second, reportedAsBroken: true},
		{name: "a page with 418", answer: page(418), state: member.BackingOff, reason: "unavailable", latest: second, reportedAsBroken: true},
		{name: "a page with 200", answer: page(200), state: member.BackingOff, reason: "unavailable", latest: second, reportedAsBroken: true},
		{name: "no answer", answer: func(c *fakeCall) { c.fail(errors.New("connection refused")) }, state: member.BackingOff, reason: "network", latest: second, reportedAsBroken: true},
		{name: "not a Kubernetes API", answer: func(c *fakeCall) { c.reply(200, "<html>\n<p>please log in</p>\n</html>\n") }, state: member.BackingOff, reason: "malformed", latest: second},
		{name: "an ERROR frame with a delay", answer: func(c *fakeCall) {
			c.reply(200, `{"type":"ERROR","object":{"kind":"Status","code":429,"reason":"TooManyRequests","details":{"retryAfterSeconds":12}}}`+"\n")
		}, state: member.BackingOff, reason: "throttled", soonest: 12 * second, latest: 12 * second},
		{name: "an ERROR frame that says too much", answer: func(c *fakeCall) {
			c.reply(200, `{"type":"ERROR","object":`+status(500, "InternalError", strings.Repeat("x", 100000))+"}\n")
		}, pages: replies(500, "InternalError"), state: member.BackingOff, reason: "unavailable", latest: second},
		{name: "an ERROR frame without a status", answer: func(c *fakeCall) { c.reply(200, `{"type":"ERROR","object":{}}`+"\n") }, state: member.BackingOff, reason: "malformed", latest: second},
		{name: "an end at once", answer: func(c *fakeCall) { c.reply(200, "") }, state: member.BackingOff, reason: "closed", latest: second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := start(t)
				test.answer(h.call("streaming list"))
				if test.pages != nil {
					test.pages(h.call("list by 500"))
				}
				s := h.wantState(test.state)
				if s.Reconnects[test.reason] != 1 || s.Attempt != 1 || s.LastError == "" && test.reason != "closed" || len(s.LastError) > 1100 {
					t.Errorf("status: %+v", s)
				}
				if wait := time.Until(s.NextRetry); wait < test.soonest || wait > test.latest {
					t.Errorf("next attempt in %s, want %s to %s", wait, test.soonest, test.latest)
				}
				if err := h.conn.lastReport(); (err != nil) != test.reportedAsBroken {
					t.Errorf("reported %v to the connection", err)
				}
				// New credentials end any wait.
				h.conn.renew(t, "cluster-1")
				began := time.Now()
				h.call("streaming list")
				if time.Since(began) != 0 {
					t.Errorf("went on %s after the new session, want at once", time.Since(began))
				}
			})
		})
	}
}

// What is cut in the middle is reported, so that the member is asked at once whether it is away;
// what ends in between is not.
func TestCutAnswersAreReported(t *testing.T) {
	half := event("MODIFIED", "a", 11)[:50]
	list := listOf(10, "", configMap("a", 1), configMap("b", 2))
	live := func(h *harness) *fakeBody { return h.live() }
	listed := func(h *harness) *fakeBody { return h.call("streaming list").open() }
	paged := func(h *harness) *fakeBody {
		replies(404, "NotFound")(h.call("streaming list"))
		return h.call("list by 500").open()
	}
	looked := func(h *harness) *fakeBody {
		replies(403, "Forbidden")(h.call("streaming list"))
		return h.call("list by 1").open()
	}
	for name, test := range map[string]struct {
		of       func(*harness) *fakeBody
		write    string
		fails    error // nil: EOF
		reported error
	}{
		"a watch, within a frame":             {live, half, nil, io.ErrUnexpectedEOF},
		"a watch, within a frame, by reset":   {live, half, syscall.ECONNRESET, syscall.ECONNRESET},
		"a watch, between frames, by reset":   {live, "", syscall.ECONNRESET, syscall.ECONNRESET},
		"a watch, between frames":             {live, "", nil, nil},
		"a streaming list, within a frame":    {listed, half, nil, io.ErrUnexpectedEOF},
		"a page, within an item":              {paged, list[:len(list)-20], nil, io.ErrUnexpectedEOF},
		"a page, within an item, by reset":    {paged, list[:len(list)-20], syscall.ECONNRESET, syscall.ECONNRESET},
		"a page, before its last brace":       {paged, strings.TrimSuffix(strings.TrimSpace(list), "}"), nil, io.ErrUnexpectedEOF},
		"a look, before it tells a version":   {looked, list[:10], nil, io.ErrUnexpectedEOF},
		"a look, by reset":                    {looked, list[:10], syscall.ECONNRESET, syscall.ECONNRESET},
		"a look that ends as it should":       {looked, list, nil, nil},
		"a watch with what is no JSON at all": {live, "<html>\n", nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := start(t)
				body := test.of(h)
				body.write(test.write)
				if test.fails != nil {
					body.fail(test.fails)
				} else {
					body.end()
				}
				synctest.Wait()
				if err := h.conn.lastReport(); !errors.Is(err, test.reported) || err != nil && test.reported == nil {
					t.Errorf("reported %v, want %v", err, test.reported)
				}
			})
		})
	}
}

func replies(code int, reason string) func(*fakeCall) {
	return func(c *fakeCall) { c.reply(code, status(code, reason, "because")) }
}

// page is an answer of something in front of the API server.
func page(code int) func(*fakeCall) {
	return func(c *fakeCall) {
		c.reply(code, "<html>\n<p>please log in</p>\n</html>\n", "Content-Type", "text/html; charset=utf-8")
	}
}

func TestRetriesAreSpacedOut(t *testing.T) {
	for name, answer := range map[string]func(*fakeCall){
		"refused":   func(c *fakeCall) { c.fail(errors.New("refused")) },
		"forbidden": replies(403, "Forbidden"),
		"watch ends at once": func(c *fakeCall) {
			body := c.open()
			body.send(endMark("10"), event("ADDED", "a", 11))
			body.end()
		},
		"not JSON": func(c *fakeCall) { c.reply(200, "{\n") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := start(t)
				calls := 0
				for began := time.Now(); time.Since(began) < time.Hour; {
					select {
					case c := <-h.server.calls:
						calls++
						answer(c)
					case <-time.After(time.Minute):
					}
				}
				// Full jitter: half a minute in the mean.
				if calls < 30 || calls > 300 {
					t.Errorf("%d calls in an hour", calls)
				}
			})
		})
	}
}

func TestResourceThatDoesNotExistYet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, func(o *Options) { o.Spec = Spec{Resource: "wigmaps", Group: "example.com"} })
		synctest.Wait()
		s := h.wantState(member.Waiting)
		if !strings.Contains(s.LastError, "wigmaps.example.com") || s.Reconnects["missing"] != 1 || s.Resource != "" {
			t.Errorf("status: %+v", s)
		}
		if err := h.conn.lastReport(); err != nil {
			t.Errorf("reported %v: the server did answer", err)
		}
		h.quiet(10 * time.Minute)
		if n := h.stream.Status().Reconnects["missing"]; n < 10 || n > 21 {
			t.Errorf("asked %d times in ten minutes", n)
		}
		h.server.set("/apis", `{"kind":"APIGroupList","groups":[{"name":"example.com","versions":[{"groupVersion":"example.com/v1","version":"v1"}],"preferredVersion":{"groupVersion":"example.com/v1","version":"v1"}}]}`)
		h.server.set("/apis/example.com/v1", `{"kind":"APIResourceList","groupVersion":"example.com/v1","resources":[{"name":"wigconfigmaps","singularName":"wigmap","shortNames":["wigmaps"],"kind":"Wig","verbs":["list","watch"]}]}`)
		call := h.call("streaming list")
		if call.URL.Path != "/apis/example.com/v1/wigconfigmaps" {
			t.Errorf("path is %s", call.URL.Path)
		}
	})
}

func TestStreamsOfTheSameObjects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		claims := NewClaims()
		first := start(t, func(o *Options) { o.Claims = claims })
		first.live()
		same := func(spec Spec) *harness {
			return start(t, func(o *Options) { o.Claims, o.Spec = claims, spec })
		}
		second := same(Spec{Resource: "configmaps", Namespace: "ns"})
		s := second.wantState(member.Waiting)
		if s.Reconnects["overlapping"] != 1 || !strings.Contains(s.LastError, `"cm" and watch "configmaps?namespace=ns"`) {
			t.Errorf("status: %+v", s)
		}
		if err := second.conn.lastReport(); err != nil {
			t.Errorf("reported %v: it is not the member's fault", err)
		}
		same(Spec{Resource: "secrets"}).call("streaming list")
		start(t, func(o *Options) { o.Claims, o.Cluster = claims, "d" }).call("streaming list")

		if err := first.stop(); err != nil {
			t.Error(err)
		}
		second.call("streaming list")
	})
}

// Specs that mean the same, in words or by the objects: the one written first
// is followed, whichever stream comes first, and the other says so.
func TestSpecsThatMeanTheSame(t *testing.T) {
	for _, test := range []struct{ specs, says string }{
		{"wg wigconfigmaps", `"wg" and watch "wigconfigmaps" both mean wigconfigmaps.zeta.io`},
		{"wigconfigmaps wg", `"wigconfigmaps" and watch "wg" both mean wigconfigmaps.zeta.io`},
		{"wg wigconfigmaps.zeta.io/v1?namespace=ns", `both mean`},
		{"cm wg configmaps", `"cm" and watch "configmaps" both mean configmaps`},
		{"wigconfigmaps wigconfigmaps.alpha.io", `(wigconfigmaps.zeta.io) and watch "wigconfigmaps.alpha.io" (wigconfigmaps.alpha.io) are the same objects`},
		{"wigconfigmaps.alpha.io wigconfigmaps.zeta.io", `in two API groups; leave one of them out`},
		{"hatconfigmaps.zeta.io wigconfigmaps", ""},
		{"wg?namespace=a wigconfigmaps?namespace=b", ""},
		{"gone wigconfigmaps", ""},
	} {
		for _, last := range []bool{true, false} {
			t.Run(fmt.Sprint(test.specs, " last first=", last), func(t *testing.T) {
				cohabiting[schema.GroupResource{Group: "alpha.io", Resource: "wigconfigmaps"}] = schema.GroupResource{Group: "zeta.io", Resource: "wigconfigmaps"}
				defer delete(cohabiting, schema.GroupResource{Group: "alpha.io", Resource: "wigconfigmaps"})
				synctest.Test(t, func(t *testing.T) {
					var specs []Spec
					for _, s := range strings.Fields(test.specs) {
						specs = append(specs, mustParse(t, s))
					}
					claims, ledger := NewClaims(), newLedger(t)
					follow := func(i int) *harness {
						return start(t, func(o *Options) {
							o.Claims, o.Ledger, o.Spec, o.Earlier = claims, ledger, specs[i], specs[:i]
							o.Connection.(*fakeConnection).server.serve(wigs, alphaWigs)
						})
					}
					second := len(specs) - 1
					if last {
						h := follow(second)
						if test.says == "" {
							h.call("streaming list")
							return
						}
						if s := h.wantState(member.Waiting); s.Reason != "overlapping" || !strings.Contains(s.LastError, test.says) {
							t.Errorf("status: %+v", s)
						}
						h.quiet(time.Hour)
					}
					if specs[0].Resource != "gone" && specs[0].Resource != "hatconfigmaps" {
						follow(0).call("streaming list")
					}
				})
			})
		}
	}
}

func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		body := h.live()
		time.Sleep(DefaultStaleAfter - time.Second)
		body.send(mark("11")) // bookmarks count
		time.Sleep(DefaultStaleAfter - time.Second)
		h.wantState(member.Live)
		began := time.Now()
		call := h.call("watch from 11")
		if time.Since(began) != time.Second {
			t.Errorf("cut %s late", time.Since(began)-time.Second)
		}
		s := h.wantState(member.Stale)
		if stale, _ := h.conn.isStale(); !stale || s.Reconnects["silent"] != 1 {
			t.Errorf("connection is not told; status: %+v", s)
		}
		call.fail(errors.New("refused"))
		h.wantState(member.BackingOff)
		body = h.call("watch from 11").open()
		h.wantState(member.Stale) // an answer is no frame
		body.send(event("MODIFIED", "a", 12))
		h.wantState(member.Live)
		if stale, told := h.conn.isStale(); stale || !told {
			t.Errorf("connection is not told that the stream is fresh again")
		}
	})
}

func TestStaleMarkEndsWithTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		h.live().send(mark("11"))
		h.call("watch from 11")
		h.wantState(member.Stale)
		if err := h.stop(); err != nil {
			t.Error(err)
		}
		if stale, told := h.conn.isStale(); stale || !told {
			t.Error("the stream ended and left its mark")
		}
	})
}

func TestNoReply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		h.call("streaming list")
		time.Sleep(openTimeout)
		s := h.wantState(member.BackingOff)
		if !errors.Is(h.conn.lastReport(), errNoReply) || s.Reconnects["network"] != 1 {
			t.Errorf("reported %v, status: %+v", h.conn.lastReport(), s)
		}
	})
}

func TestBackpressureIsNotSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, func(o *Options) { o.Routes[0].Queue.(*fakeQueue).changes = make(chan *pipeline.Change) })
		body := h.call("streaming list").open()
		go func() {
			for n := range 5 {
				body.send(event("ADDED", fmt.Sprint("a", n), n+1))
			}
			for range 2 { // nobody is blocked, and the snapshot is not over
				time.Sleep(DefaultStaleAfter - time.Minute)
				body.send(mark("9"))
			}
			body.send(endMark("10"), event("ADDED", "b", 11))
		}()
		for range 6 {
			time.Sleep(DefaultSyncTimeout + DefaultStaleAfter) // the lane is full
			if n := len(h.stream.Status().Reconnects); n != 0 {
				t.Fatalf("status: %+v", h.stream.Status())
			}
			<-h.queue.changes
		}
		s := h.wantState(member.Live)
		if len(s.Reconnects) != 0 {
			t.Errorf("status: %+v", s)
		}
		// What comes after counts again.
		began := time.Now()
		h.call("watch from 11")
		if time.Since(began) != DefaultStaleAfter {
			t.Errorf("cut after %s, want %s", time.Since(began), DefaultStaleAfter)
		}
	})
}

func TestBlockedStreamReadsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		body := h.live()
		h.queue.changes = make(chan *pipeline.Change)
		sent := 0
		go func() {
			for n := range 10000 {
				body.send(event("ADDED", fmt.Sprint("c", n), n+11))
				sent++
			}
		}()
		time.Sleep(time.Hour)
		synctest.Wait()
		if limit := 2 * wire.ReadBuffer / len(event("ADDED", "c", 11)); sent > limit {
			t.Errorf("%d frames were read past a full lane, want %d at most", sent, limit)
		}
	})
}

func TestSnapshotThatDoesNotEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		body := h.call("streaming list").open()
		began := time.Now()
		for time.Since(began) < DefaultSyncTimeout-time.Minute {
			body.send(event("MODIFIED", "a", 1))
			time.Sleep(time.Minute)
		}
		body.send(event("MODIFIED", "a", 1))
		// A server that overlooked what was asked for would do that: pages.
		h.call("list by 500")
		if late := time.Since(began) - DefaultSyncTimeout; late < 0 || late > DefaultReconnectMin {
			t.Errorf("cut after %s", time.Since(began))
		}
		if s := h.stream.Status(); s.Reconnects["overdue"] != 1 {
			t.Errorf("status: %+v", s)
		}
	})
}

// slots counts what it has given out.
type slots struct {
	*semaphore.Weighted
	mu  sync.Mutex
	out int
}

func (s *slots) Acquire(ctx context.Context, n int64) error {
	err := s.Weighted.Acquire(ctx, n)
	if err == nil {
		s.mu.Lock()
		s.out++
		s.mu.Unlock()
	}
	return err
}

func (s *slots) Release(n int64) {
	s.mu.Lock()
	s.out--
	s.mu.Unlock()
	s.Weighted.Release(n)
}

func (s *slots) held() int {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out
}

func TestSnapshotSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slots{Weighted: semaphore.NewWeighted(1)}
		if err := s.Acquire(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		h := start(t, func(o *Options) { o.Snapshots = s })
		check := func(want int, when string) {
			t.Helper()
			if got := s.held(); got != want {
				t.Errorf("%s: %d slots are held, want %d", when, got, want)
			}
		}
		// It waits for one, for as long as it takes.
		h.quiet(time.Hour)
		s.Release(1)

		call := h.call("streaming list")
		check(1, "before the answer")
		call.fail(errors.New("refused"))
		check(0, "the snapshot failed")
		call = h.call("streaming list")
		time.Sleep(slotIdle)
		check(0, "the member does not answer")
		call.fail(errors.New("refused"))

		body := h.call("streaming list").open()
		for range slotLongest / (slotIdle / 2) {
			check(1, "a snapshot moves on")
			body.send(event("ADDED", "a", 1))
			time.Sleep(slotIdle / 2)
		}
		time.Sleep(slotIdle) // at most that late
		check(0, "a snapshot takes long")
		body.end()

		h.queue.changes = make(chan *pipeline.Change)
		body = h.call("streaming list").open()
		go func() { body.send(event("ADDED", "a", 1), event("ADDED", "b", 2), endMark("10")) }()
		check(1, "the lane is full")
		time.Sleep(2 * slotIdle)
		check(0, "the lane is full for a while")
		<-h.queue.changes
		<-h.queue.changes
		h.wantState(member.Live)
		body.end()

		call = h.call("watch from 10")
		check(0, "a watch needs none")
		call.reply(410, status(410, "Expired", ""))
		body = h.call("streaming list").open()
		check(1, "a snapshot begins")
		go body.send(event("ADDED", "a", 1), event("ADDED", "b", 2), endMark("20"))
		<-h.queue.changes
		<-h.queue.changes
		h.wantState(member.Live)
		check(0, "a snapshot is over")
	})
}
