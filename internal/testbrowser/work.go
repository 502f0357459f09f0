package testbrowser

import (
	"encoding/json"
	"testing"
	"time"
)

// Work is how long the main thread of a page was on a processor, in milliseconds. What else
// the machine does is not in it, but for what caches and hyper-threads take.
type Work struct {
	Longest float64 // in one task
	All     float64 // in all tasks
	// Paint is the part of All from the start of the last navigation until something of its
	// page was painted first; zero without one.
	Paint float64
}

// categories are those of the browser's events that Work is made from.
var categories = []string{"disabled-by-default-devtools.timeline", "devtools.timeline", "blink.user_timing"}

// traced is an event of the browser. Times are in microseconds: Begun on a clock that all
// threads share, Worked on the thread's.
type traced struct {
	Name    string   `json:"name"`
	Process int      `json:"pid"`
	Thread  int      `json:"tid"`
	Begun   float64  `json:"ts"`
	Worked  *float64 `json:"tdur"`
	Args    struct {
		Name  string `json:"name"`
		Frame string `json:"frame"`
		Data  struct {
			Navigation string `json:"navigationId"`
			Frames     []struct {
				Frame   string `json:"frame"`
				Process int    `json:"processId"`
			} `json:"frames"`
		} `json:"data"`
	} `json:"args"`
}

// Watch calls do, in which the tab stays in its process, as it does within a site, and returns
// what its page's thread has worked meanwhile.
func (tab *Tab) Watch(t testing.TB, do func()) Work {
	t.Helper()
	var tree struct {
		Frames struct {
			Frame struct {
				ID string `json:"id"`
			} `json:"frame"`
		} `json:"frameTree"`
	}
	tab.Call(t, "Page.getFrameTree", map[string]any{}, &tree)
	tab.Call(t, "Tracing.start", map[string]any{"transferMode": "ReportEvents", "traceConfig": map[string]any{"includedCategories": categories}}, nil)
	do()
	tab.Eval(t, "new Promise(done => setTimeout(() => done(0), 0))", nil) // so that the task before has ended, and is told
	tab.Call(t, "Tracing.end", map[string]any{}, nil)
	work, ok := workOf(tab.traced(t), tree.Frames.Frame.ID)
	if !ok {
		t.Fatal("the browser does not tell how long tasks of the page have taken")
	}
	return work
}

// traced waits for the events of a trace that has ended.
func (tab *Tab) traced(t testing.TB) (all []traced) {
	t.Helper()
	limit := time.After(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for len(tab.browser.take(tab.session, "Tracing.tracingComplete")) == 0 {
		select {
		case <-limit:
			t.Fatalf("the browser does not end its trace within %v", patience)
		case <-tick.C:
		}
	}
	for _, m := range tab.browser.take(tab.session, "Tracing.dataCollected") {
		var some struct {
			Value []json.RawMessage `json:"value"`
		}
		if err := json.Unmarshal(m.Params, &some); err != nil {
			t.Fatal(err)
		}
		for _, text := range some.Value {
			var e traced
			if json.Unmarshal(text, &e) == nil { // others have other arguments
				all = append(all, e)
			}
		}
	}
	return all
}

// workOf is the work of a frame's thread.
func workOf(events []traced, frame string) (w Work, ok bool) {
	process, thread := 0, 0
	for _, e := range events {
		if e.Name != "TracingStartedInBrowser" {
			continue
		}
		for _, f := range e.Args.Data.Frames {
			if f.Frame == frame {
				process = f.Process
			}
		}
	}
	var paint traced
	for _, e := range events {
		switch {
		case e.Name == "thread_name" && e.Process == process && e.Args.Name == "CrRendererMain":
			thread = e.Thread
		case e.Name == "firstContentfulPaint" && e.Args.Frame == frame && e.Begun > paint.Begun:
			paint = e
		}
	}
	began := paint.Begun
	for _, e := range events {
		if e.Name == "navigationStart" && e.Args.Data.Navigation == paint.Args.Data.Navigation {
			began = e.Begun
		}
	}
	for _, e := range events {
		if e.Name != "RunTask" || e.Process != process || e.Thread != thread || e.Worked == nil {
			continue
		}
		took := *e.Worked / 1000
		w.All, w.Longest, ok = w.All+took, max(w.Longest, took), true
		if began <= e.Begun && e.Begun < paint.Begun {
			w.Paint += took
		}
	}
	return w, ok
}
