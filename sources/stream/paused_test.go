package stream

import (
	"context"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// A stream that is stopped closes its watch, opens none, and goes on from where it was.
func TestStopAndResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		body := h.live()
		body.send(event("MODIFIED", "a", 11))
		h.want(true, "updated a uid-a@11")
		resource := h.stream.Status().Resource
		h.stream.SetPaused(map[string]Pause{"others.example.com": Stopped})
		h.quiet(time.Minute)
		h.stream.SetPaused(map[string]Pause{resource: Held}) // its queue holds it
		h.quiet(time.Minute)
		h.wantState(member.Live)
		h.stream.SetPaused(map[string]Pause{resource: Stopped})
		h.quiet(time.Hour)
		h.wantState(member.Paused)
		h.stream.SetPaused(nil)
		body = h.call("watch from 11").open()
		body.send(event("MODIFIED", "a", 12))
		h.want(true, "updated a uid-a@12")
		h.wantState(member.Live)
	})
}

// One that is stopped before it knows what it follows finds that out, and watches nothing.
func TestStoppedFromTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		h.live()
		if err := h.stop(); err != nil {
			t.Fatal(err)
		}
		h.stream = New(h.opts)
		h.stream.SetPaused(map[string]Pause{"configmaps": Stopped})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		done := make(chan error, 1)
		go func() { done <- h.stream.Run(ctx) }()
		h.quiet(time.Hour)
		h.wantState(member.Paused)
		h.stream.SetPaused(nil)
		h.call("watch from 10").open()
		h.wantState(member.Live)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
