package stream

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// lowly lets live states be offered at a snapshot's priority, too.
type lowly struct{ *fakeQueue }

func (q *lowly) Offer(ctx context.Context, c *pipeline.Change, priority int) error {
	if priority != snapshotPriority {
		return q.fakeQueue.Offer(ctx, c, priority)
	}
	select {
	case q.changes <- c:
		return nil
	case err := <-q.refuse:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func takesRetries(o *Options) { o.Routes[0].Queue = &lowly{fakeQueue: o.Routes[0].Queue.(*fakeQueue)} }

// event takes the next change from the queue through Begin and Ack and
// returns the event that a sink would get.
func (h *harness) event() *pipeline.Event {
	h.t.Helper()
	synctest.Wait()
	var c *pipeline.Change
	select {
	case c = <-h.queue.changes:
	default:
		h.t.Fatalf("no change; status: %+v", h.stream.Status())
	}
	return h.accept(c)
}

func (h *harness) accept(c *pipeline.Change) *pipeline.Event {
	h.t.Helper()
	begin(c)
	line := c.AppendCloudEvent(nil)
	c.Origin.Tracker.Ack(c)
	e, err := pipeline.ParseEvent(line)
	if err != nil {
		h.t.Fatal(err)
	}
	return &e
}

func (h *harness) retry(e *pipeline.Event) *ledger.Redelivery {
	h.t.Helper()
	if !h.stream.Follows(e.Key()) {
		h.t.Errorf("%s is not followed", e.Key())
	}
	r, err := h.stream.Redeliver(h.t.Context(), "a", e)
	if err != nil {
		h.t.Fatal(err)
	}
	return r
}

func isSettled(r *ledger.Redelivery) bool {
	select {
	case <-r.Settled():
		return r.Acked()
	default:
		return false
	}
}

func TestRetriedEventsAreTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, takesRetries)
		body := h.live()
		for _, frame := range []string{event("ADDED", "c", 11), event("MODIFIED", "a", 12), event("DELETED", "b", 13)} {
			body.send(frame)
			first := h.event()
			r := h.retry(first)
			if isSettled(r) {
				t.Error("settled before it was delivered")
			}
			again := h.event()
			if !isSettled(r) {
				t.Errorf("%s: not settled after the ack", first.ID)
			}
			if first.ID != again.ID || first.Type != again.Type || first.Subject != again.Subject || first.Kind != again.Kind ||
				!first.Time.Equal(again.Time) || first.Snapshot != again.Snapshot || string(first.Data) != string(again.Data) {
				t.Errorf("sent again: %+v\nwant %+v", again, first)
			}
		}
	})
}

// What was recorded under a digest is sent again under the UID that is known since.
func TestRetriedUnderTheUID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, takesRetries, func(o *Options) {
			c := o.Connection.(*fakeConnection)
			c.session.UID, c.session.Digest = "digest-1", "digest-1"
		})
		body := h.live()
		body.send(event("ADDED", "c", 11))
		first := h.event()
		h.conn.renew(t, "cluster-1")
		h.call("watch from 11").open()
		h.retry(first)
		if again := h.event(); first.ClusterUID != "digest-1" || again.ClusterUID != "cluster-1" || again.ID != first.ID {
			t.Errorf("sent again: %+v\nfirst: %+v", again, first)
		}
		h.conn.renew(t, "digest-2") // it may not be read any more
		h.call("watch from 11").open()
		h.retry(first)
		if again := h.event(); again.ClusterUID != "cluster-1" {
			t.Errorf("sent again: %+v", again)
		}
	})
}

func TestRetriedTombstone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, takesRetries)
		h.live().end()
		age()
		h.call("watch from 10").reply(410, status(410, "Expired", "too old"))
		h.call("streaming list").open().send(event("ADDED", "a", 1), endMark("20"))
		first := h.event()
		h.retry(first)
		if again := h.event(); !again.Tombstone || again.Data != nil || again.ID != first.ID || again.Op() != pipeline.Deleted {
			t.Errorf("sent again: %+v\nwant %+v", again, first)
		}
	})
}

func TestWhatIsNotRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, takesRetries)
		_, err := New(h.opts).Redeliver(t.Context(), "a", &pipeline.Event{})
		if err == nil || !strings.Contains(err.Error(), "not been reached") {
			t.Errorf("before the first connection: %v", err)
		}
		body := h.call("streaming list").open()
		body.send(event("ADDED", "a", 1))
		old := h.event()
		if _, err := h.stream.Redeliver(t.Context(), "a", old); err == nil || !strings.Contains(err.Error(), "not complete") {
			t.Errorf("within the first snapshot: %v", err)
		}
		body.send(endMark("10"))
		h.wantState(member.Live)

		if h.stream.Follows(pipeline.Key{Cluster: "c", Resource: "pods", Namespace: "ns", Name: "a"}) {
			t.Error("follows pods")
		}
		foreign := *old
		foreign.ClusterUID = "cluster-0"
		if _, err := h.stream.Redeliver(t.Context(), "a", &foreign); err == nil || !strings.Contains(err.Error(), "another one") {
			t.Errorf("of another cluster: %v", err)
		}
		ahead := *old
		ahead.ID, ahead.Type, ahead.ResourceVersion = "/v1/configmaps/uid-b/deleted", "dev.fairlead.resource.deleted.v1", "11"
		ahead.Data = []byte(`{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a","namespace":"ns","uid":"uid-b","resourceVersion":"11"}}`)
		if _, err := h.stream.Redeliver(t.Context(), "a", &ahead); err == nil || !strings.Contains(err.Error(), "not come to version 11") {
			t.Errorf("of a deletion that the stream has not come to: %v", err)
		}
		wantNotRetried(t, h, old)
		body.send(event("MODIFIED", "a", 11))
		synctest.Wait()
		for _, when := range []string{"with a newer state waiting", "with a newer state accepted"} {
			if _, err := h.stream.Redeliver(t.Context(), "a", old); !errors.Is(err, ErrSuperseded) {
				t.Errorf("%s: %v", when, err)
			}
			if when == "with a newer state waiting" {
				h.want(true, "updated a uid-a@11")
			}
		}
		h.want(false)
	})
}

// wantNotRetried has records that were tampered with, or that a version before
// wrote of a member that lied.
func wantNotRetried(t *testing.T, h *harness, good *pipeline.Event) {
	t.Helper()
	data := string(good.Data)
	for name, edit := range map[string]func(*pipeline.Event){
		"without an id":             func(e *pipeline.Event) { e.ID = "x" },
		"of another member":         func(e *pipeline.Event) { e.Cluster = "d" },
		"of pods":                   func(e *pipeline.Event) { e.ID = "/v1/pods/uid-a/1" },
		"in a version that is none": func(e *pipeline.Event) { e.ID = "/v 1/configmaps/uid-a/1" },
		"of a kind that is none":    func(e *pipeline.Event) { e.Kind = `X"},"cluster":"d","x":{"y":"` },
		"of another UID":            func(e *pipeline.Event) { e.ID = "/v1/configmaps/uid-b/1" },
		"of another version":        func(e *pipeline.Event) { e.ID, e.ResourceVersion = "/v1/configmaps/uid-a/2", "2" },
		"of another name":           func(e *pipeline.Event) { e.Name = "b" },
		"of another namespace":      func(e *pipeline.Event) { e.Namespace = "other" },
		"without an object":         func(e *pipeline.Event) { e.Data = nil },
		"with no object":            func(e *pipeline.Event) { e.Data = []byte("null") },
		"with two objects":          func(e *pipeline.Event) { e.Data = []byte(data + data) },
		"with another kind":         func(e *pipeline.Event) { e.Data = []byte(strings.Replace(data, "ConfigMap", "Secret", 1)) },
		"with its kind twice":       func(e *pipeline.Event) { e.Data = []byte(strings.Replace(data, `{`, `{"kind":"ConfigMap",`, 1)) },
		"with a Kind":               func(e *pipeline.Event) { e.Data = []byte(strings.Replace(data, `{`, `{"Kind":"Secret",`, 1)) },
		"with its name twice": func(e *pipeline.Event) {
			e.Data = []byte(strings.Replace(data, `"name":"a"`, `"name":"a","Name":"b"`, 1))
		},
		"not in UTF-8": func(e *pipeline.Event) { e.Data = []byte(strings.Replace(data, `"k":"v"`, "\"k\":\"\xff\"", 1)) },
	} {
		e := *good
		edit(&e)
		if _, err := h.stream.Redeliver(t.Context(), "a", &e); err == nil || errors.Is(err, ErrSuperseded) {
			t.Errorf("%s: %v", name, err)
		}
	}
	h.want(false)
}

func TestSecretValuesAreNotRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, takesRetries, func(o *Options) { o.Spec.Resource = "secrets" })
		secret := strings.Replace(event("ADDED", "s", 1), "ConfigMap", "Secret", 1)
		h.call("streaming list").open().send(secret, endMark("10"))
		e := h.event()
		h.wantState(member.Live)
		h.retry(e) // holds metadata only
		h.event()
		for _, kind := range []string{"Secret", "PartialObjectMetadata"} {
			e.Data = []byte(`{"kind":"` + kind + `","metadata":{"name":"s","namespace":"ns","uid":"uid-s","resourceVersion":"1"},"data":{"k":"aHVzaA=="}}`)
			if _, err := h.stream.Redeliver(t.Context(), "a", e); err == nil || !strings.Contains(err.Error(), "values of a Secret") {
				t.Errorf("a %s with values: %v", kind, err)
			}
		}
	})
}

// TestRetriesComeBeforeWhatIsReadMeanwhile blocks a retry in a full lane while
// the stream reads a newer state of the object. The newer one must be offered
// last: the queue would let the older one take its place.
func TestRetriesComeBeforeWhatIsReadMeanwhile(t *testing.T) {
	for _, interrupted := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			h := start(t, takesRetries)
			body := h.live()
			body.send(event("MODIFIED", "a", 11))
			e := h.event()
			h.queue.changes = make(chan *pipeline.Change) // full

			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			retried := make(chan error)
			go func() {
				_, err := h.stream.Redeliver(ctx, "a", e)
				retried <- err
			}()
			synctest.Wait()
			body.send(event("MODIFIED", "a", 12), mark("13"))
			// However long that takes, the server is not to blame.
			age()
			h.quiet(3 * DefaultStaleAfter)
			if interrupted {
				cancel()
				if err := <-retried; !errors.Is(err, context.Canceled) {
					t.Errorf("Retry = %v", err)
				}
			} else {
				if e := h.accept(<-h.queue.changes); e.ResourceVersion != "11" {
					t.Errorf("first came %s", e.ResourceVersion)
				}
				if err := <-retried; err != nil {
					t.Error(err)
				}
			}
			if e := h.accept(<-h.queue.changes); e.ResourceVersion != "12" {
				t.Errorf("then came %s", e.ResourceVersion)
			}
			if s := h.wantState(member.Live); s.Unacked != 0 || len(s.Reconnects) != 0 {
				t.Errorf("status: %+v", s)
			}
		})
	}
}

// TestARetryDoesNotKeepAStreamFromEnding blocks a retry in a full lane for
// ever.
func TestARetryDoesNotKeepAStreamFromEnding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, takesRetries)
		body := h.live()
		body.send(event("MODIFIED", "a", 11))
		e := h.event()
		h.queue.changes = make(chan *pipeline.Change)
		ctx, cancel := context.WithCancel(t.Context())
		retried := make(chan error)
		go func() {
			_, err := h.stream.Redeliver(ctx, "a", e)
			retried <- err
		}()
		synctest.Wait()
		go body.send(event("MODIFIED", "b", 12))
		synctest.Wait()
		if err := h.stop(); err != nil {
			t.Errorf("Run = %v", err)
		}
		cancel()
		if err := <-retried; !errors.Is(err, context.Canceled) {
			t.Errorf("Retry = %v", err)
		}
	})
}

// TestARetryThatIsGivenUp ends one in front of a full lane: nothing of it is left, and it
// may be tried again.
func TestARetryThatIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, takesRetries)
		body := h.live()
		body.send(event("MODIFIED", "a", 11), mark("13"))
		e := h.event()
		h.queue.changes = make(chan *pipeline.Change) // full
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := h.stream.Redeliver(ctx, "a", e); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("Retry = %v", err)
		}
		if s := h.stream.Status(); s.Unacked != 0 || h.cursor().ResumePoint() != "13" {
			t.Errorf("%d unacked, resume point %q", s.Unacked, h.cursor().ResumePoint())
		}
		h.queue.changes = make(chan *pipeline.Change, 1)
		if _, err := h.stream.Redeliver(t.Context(), "a", e); err != nil {
			t.Errorf("Retry = %v", err)
		}
	})
}
