package cache

import (
	"context"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
)

// listWatch is a watch of an informer that begins with a list. client-go lists
// anew after a watch that told nothing and lasted less than a second, and counts
// both from when it has taken the list in, which it does not tell. So a watch that
// ends with its list tells the end of the list, a bookmark, once more: it has told
// something then, and the next watch goes on from that version at once.
type listWatch struct {
	watch.Interface
	events chan watch.Event
	stop   context.CancelFunc
}

// newListWatch passes on what inner tells, until it ends, ctx does or the watch is
// stopped.
func newListWatch(ctx context.Context, inner watch.Interface) *listWatch {
	ctx, stop := context.WithCancel(ctx)
	w := &listWatch{Interface: inner, events: make(chan watch.Event), stop: stop}
	go w.relay(ctx)
	return w
}

// ResultChan returns what is told; it is closed at the end.
func (w *listWatch) ResultChan() <-chan watch.Event { return w.events }

// Stop ends the watch, and returns once nothing of it is left here. It may be
// called again.
func (w *listWatch) Stop() {
	w.stop()
	w.Interface.Stop()
	for range w.events { // until relay has returned
	}
}

func (w *listWatch) relay(ctx context.Context) {
	defer close(w.events)
	tell := func(e watch.Event) bool {
		select {
		case w.events <- e:
			return true
		case <-ctx.Done():
			return false
		}
	}
	var end watch.Event // of the list; zero once something came behind it
	for {
		select {
		case e, ok := <-w.Interface.ResultChan():
			if !ok {
				if end.Object != nil {
					tell(end)
				}
				return
			}
			if !tell(e) {
				return
			}
			if end = (watch.Event{}); endsList(e) {
				end = e
			}
		case <-ctx.Done():
			return
		}
	}
}

// endsList tells whether an event marks the end of the list that a watch begins
// with.
func endsList(e watch.Event) bool {
	if e.Type != watch.Bookmark {
		return false
	}
	o, err := meta.Accessor(e.Object)
	return err == nil && o.GetAnnotations()[metav1.InitialEventsAnnotationKey] == "true"
}
