package locktest

import (
	"context"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead-dev/fairlead/internal/retry"
)

func microseconds(t testing.TB, b Backend) {
	l, other := b.Open(t, "a"), b.Open(t, "b")
	r := held("a")
	// In a zone of its own, as the clocks of processes may be.
	r.AcquireTime = metav1.NewTime(instant.In(time.FixedZone("far", 5*3600+1800)))
	create(t, l, r)
	holds(t, r, l, other)
	for _, d := range []time.Duration{time.Microsecond, 999 * time.Microsecond, 500 * time.Millisecond} {
		r = renewed(r, d)
		update(t, l, r)
		holds(t, r, l, other)
	}
}

// bytesChange: others tell by the bytes whether the record was renewed. If two
// renewals within a second looked the same, others would count from the first of
// them, and its holder from the last.
func bytesChange(t testing.TB, b Backend) {
	l, other := b.Open(t, "a"), b.Open(t, "b")
	r := held("a")
	create(t, l, r)
	_, before := get(t, other)
	for range 3 {
		r = renewed(r, 200*time.Microsecond)
		update(t, l, r)
		_, after := get(t, other)
		if after == before {
			t.Errorf("a renewal 200 µs after the one before leaves the bytes as they were: %s", shown(after))
		}
		before = after
	}
	// Nor may the backend take the same bytes for no write.
	update(t, l, renewed(r, 200*time.Microsecond))
	refused(t, "Update that has not seen the last renewal", other.Update(t.Context(), held("b")), "Conflict")
}

// bytesStay: the bytes of a record that nobody renews have to stay the same, or its
// end never comes.
func bytesStay(t testing.TB, b Backend) {
	l, other := b.Open(t, "a"), b.Open(t, "b")
	create(t, l, held("a"))
	_, before := get(t, other)
	for range 3 {
		if _, after := get(t, other); after != before {
			t.Errorf("the bytes change from one Get to the next although nobody writes: %s, then %s", shown(before), shown(after))
		}
	}
}

// nothingExpires: how long a record counts is for those who watch it to decide, by
// their own clocks. A backend that takes it away by its clock, or ends the session
// of a holder that is slow, lets another process lead while the first still may.
func nothingExpires(t testing.TB, b Backend) {
	l, other := b.Open(t, "a"), b.Open(t, "b")
	r := held("a")
	r.LeaseDurationSeconds = 1
	create(t, l, r)
	_, before := get(t, other)
	if err := retry.Sleep(t.Context(), 3*time.Second); err != nil {
		t.Fatal(err)
	}
	if _, after := get(t, other); after != before {
		t.Errorf("the record changes by itself once its duration is over: %s, then %s", shown(before), shown(after))
	}
	refused(t, "Create once the duration is over", other.Create(t.Context(), held("b")), "AlreadyExists")
	r = renewed(r, 3*time.Second)
	update(t, l, r) // whoever was slow and was not replaced goes on
	holds(t, r, l, other)
}

// endedContext: calls whose context has ended write nothing, and say nothing about
// the record.
func endedContext(t testing.TB, b Backend) {
	l := b.Open(t, "a")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	get := func() error {
		_, _, err := l.Get(ended)
		return err
	}
	calls := func() map[string]func() error {
		return map[string]func() error{
			"Get":    get,
			"Create": func() error { return l.Create(ended, held("a")) },
			"Update": func() error { return l.Update(ended, renewed(held("a"), time.Second)) },
		}
	}
	for what, call := range calls() {
		refused(t, what+" with an ended context", inTime(t, what, call), "another error")
	}
	_, _, err := l.Get(t.Context())
	refused(t, "Get after a Create with an ended context", err, "NotFound")
	create(t, l, held("a"))
	for what, call := range calls() {
		refused(t, what+" with an ended context", inTime(t, what, call), "another error")
	}
	holds(t, held("a"), l, b.Open(t, "b"))
}

// electorTakesTurns runs client-go's elector for several processes. The fencing
// token of a term, LeaderTransitions, grows with each.
func electorTakesTurns(t testing.TB, b Backend) {
	locks := open(t, b, 3)
	if r, _, err := locks[0].Get(t.Context()); r == nil && err == nil {
		t.Fatalf("Get: no record and no error, at which the elector panics")
	}
	last := -1
	for range 2 {
		for _, l := range locks {
			token, err := leadOnce(t, l)
			if err != nil {
				t.Errorf("%q does not lead: %v", l.Identity(), err)
				return
			}
			if token <= last {
				t.Errorf("%q leads with the fencing token %d, after one with %d", l.Identity(), token, last)
			}
			last = token
		}
	}
}
