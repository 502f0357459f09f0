package stream

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// Only what is selected is delivered again, and a dry run delivers nothing.
func TestReplayOfOneObject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		body := h.live()
		q := Selector{Name: "b"}
		if r, err := h.stream.ReplaySome(t.Context(), q, true); err != nil || r != (Selected{Objects: 1}) {
			t.Fatalf("dry: %+v, %v", r, err)
		}
		for _, none := range []Selector{{Name: "z"}, {Name: "a", Namespace: "elsewhere"}} {
			if r, err := h.stream.ReplaySome(t.Context(), none, false); err != nil || r.Objects != 0 {
				t.Fatalf("%+v: %+v, %v", none, r, err)
			}
		}
		for _, labels := range []string{"", "app=web"} {
			if _, err := h.stream.ReplaySome(t.Context(), Selector{Name: "a", Labels: labels, Route: "b"}, false); !errors.Is(err, errNoRoute) {
				t.Errorf("to a route that there is not: %v", err)
			}
		}
		body.send(event("MODIFIED", "a", 11)) // the watch goes on
		h.want(true, "updated a uid-a@11")
		if r, err := h.stream.ReplaySome(t.Context(), q, false); err != nil || r != (Selected{Objects: 1}) {
			t.Fatalf("%+v, %v", r, err)
		}
		body = h.call("streaming list").open()
		body.send(event("ADDED", "a", 11), event("ADDED", "b", 2), endMark("20"))
		h.want(true, "updated b uid-b@2 snapshot")
		h.wantState(member.Live)
	})
}

// What has labels is asked for, in the member.
func TestReplayOfLabels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		h.live()
		result := make(chan error, 1)
		go func() {
			r, err := h.stream.ReplaySome(t.Context(), Selector{Labels: "app=web"}, false)
			if err == nil && r.Objects != 1 {
				err = errors.New("it counts others")
			}
			result <- err
		}()
		c := h.call("list by 500")
		if got := c.query().Get("labelSelector"); got != "app=web" {
			t.Errorf("labelSelector %q", got)
		}
		c.reply(200, listOf(15, "", configMap("a", 1), configMap("new", 3)))
		if err := <-result; err != nil {
			t.Fatal(err)
		}
		body := h.call("streaming list").open()
		body.send(event("ADDED", "a", 1), event("ADDED", "b", 2), endMark("20"))
		h.want(true, "updated a uid-a@1 snapshot")
	})
}

// A list that ends early has no effect: also what it has shown is not delivered again.
func TestReplayOfPartOfAList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		body := h.live()
		result := make(chan error, 1)
		go func() {
			_, err := h.stream.ReplaySome(t.Context(), Selector{Labels: "app=web"}, false)
			result <- err
		}()
		h.call("list by 500").reply(200, listOf(15, "more", configMap("a", 1)))
		h.call("list at more by 500").reply(500, status(500, "InternalError", "no more"))
		if err := <-result; err == nil {
			t.Fatal("a list without its end is taken for one")
		}
		body.send(event("MODIFIED", "b", 11))
		h.want(true, "updated b uid-b@11")
		age()
		body.end()
		h.call("watch from 11") // no snapshot
	})
}

// A member that does not answer, or what is not known yet, is told; nothing begins.
func TestReplayOfWhatCannotBeKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		if _, err := h.stream.ReplaySome(t.Context(), Selector{Name: "a"}, false); !errors.Is(err, errNotKnown) {
			t.Errorf("before it is known: %v", err)
		}
		h.live()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		result := make(chan error, 1)
		go func() {
			_, err := h.stream.ReplaySome(ctx, Selector{Labels: "app=web"}, false)
			result <- err
		}()
		h.call("list by 500")
		if err := <-result; err == nil {
			t.Error("a member that hangs has answered")
		}
		h.quiet(time.Minute)
	})
}
