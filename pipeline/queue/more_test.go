package queue

import (
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
)

// GetMore takes what is ready at once, waits for one for so long, and does not wait once
// the intake has stopped.
func TestGetMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New(Options[string, string]{Cluster: func(string) string { return "a" }})
		var got []string
		more := func(wait time.Duration, most, bytes int) (bool, int, time.Duration) {
			t.Helper()
			got = nil
			began := time.Now()
			comes := q.GetMore(wait, most, bytes, func(item string, _ int) { got = append(got, item) })
			return comes, len(got), time.Since(began)
		}
		want := func(comes bool, n int, took time.Duration) func(bool, int, time.Duration) {
			return func(gotComes bool, gotN int, gotTook time.Duration) {
				t.Helper()
				if comes != gotComes || n != gotN || took != gotTook {
					t.Errorf("%v, %d items after %v; want %v, %d after %v", gotComes, gotN, gotTook, comes, n, took)
				}
			}
		}
		want(true, 0, time.Second)(more(time.Second, 5, 5))
		for _, item := range []string{"1", "2", "3"} {
			q.Add(item)
		}
		want(true, 2, 0)(more(time.Second, 2, 1<<20))
		q.AddAfter("4", 300*time.Millisecond)
		want(true, 1, 0)(more(time.Second, 5, 1<<20))
		want(true, 1, 300*time.Millisecond)(more(time.Second, 5, 1<<20))
		time.AfterFunc(200*time.Millisecond, q.ShutDown)
		want(false, 0, 200*time.Millisecond)(more(time.Second, 5, 1<<20))
		want(false, 0, 0)(more(time.Second, 5, 1<<20))
	})
}
