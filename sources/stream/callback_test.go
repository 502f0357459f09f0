package stream

import (
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
)

// A route without a position catches up before the others have their watch again: it
// joins them as soon as they have, and not at the next frame, which may be far away.
func TestRouteCatchesUpBeforeTheMainWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		h.live()
		if err := h.stop(); err != nil {
			t.Fatal(err)
		}
		h.opts.Routes = append(h.opts.Routes, Route{Name: "b", Queue: h.queue})
		h.run()
		var main, list *fakeCall
		for main == nil || list == nil {
			switch c := <-h.server.calls; c.kind() {
			case "streaming list":
				list = c
			case "watch from 10":
				main = c
			default:
				t.Fatalf("call is a %s", c.kind())
			}
		}
		list.open().send(event("ADDED", "a", 1), event("ADDED", "b", 2), endMark("12"))
		h.want(true, "added a uid-a@1 snapshot", "added b uid-b@2 snapshot")
		synctest.Wait()
		main.open()
		h.call("watch from 12").open()
		synctest.Wait()
		for _, r := range h.stream.Status().Routes {
			if !r.InStep {
				t.Errorf("%+v", r)
			}
		}
		h.quiet(time.Second)
	})
}
