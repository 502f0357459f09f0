package cache

import (
	"context"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/synctest"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
)

// TestListWatchStops: whether its reader stops it, in whatever it does, or only
// the informer ends, nothing of a watch is left.
func TestListWatchStops(t *testing.T) {
	end := watch.Event{Type: watch.Bookmark, Object: &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
		Annotations: map[string]string{metav1.InitialEventsAnnotationKey: "true"},
	}}}
	for name, happens := range map[string]func(*watch.RaceFreeFakeWatcher){
		"nothing":            func(*watch.RaceFreeFakeWatcher) {},
		"an event":           func(f *watch.RaceFreeFakeWatcher) { f.Add(&corev1.ConfigMap{}) },
		"an end":             func(f *watch.RaceFreeFakeWatcher) { f.Stop() },
		"an end of the list": func(f *watch.RaceFreeFakeWatcher) { f.Action(end.Type, end.Object); f.Stop() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				inner, other := watch.NewRaceFreeFake(), watch.NewRaceFreeFake()
				stopped, left := newListWatch(ctx, inner), newListWatch(ctx, other)
				happens(inner)
				happens(other)
				synctest.Wait()
				stopped.Stop()
				stopped.Stop()
				if !inner.IsStopped() {
					t.Error("the watch behind it goes on")
				}
				cancel()
				synctest.Wait()
				if _, ok := <-left.ResultChan(); ok {
					t.Error("an event after the informer's end")
				}
			})
		})
	}
}
