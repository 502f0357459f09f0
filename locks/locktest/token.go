package locktest

import (
	"testing"
	"time"

	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/fairlead-dev/fairlead/locks"
)

// fenced returns a lock that the rules of tokens apply to.
func fenced(t testing.TB, b Backend, identity string) fencedLock {
	t.Helper()
	l := b.Open(t, identity)
	f, ok := l.(locks.Fenced)
	if !ok {
		t.Skipf("%T gives no fencing tokens", l)
	}
	return fencedLock{l, f}
}

func isFenced(l resourcelock.Interface) bool {
	_, ok := l.(locks.Fenced)
	return ok
}

// terms checks that each term has a higher token than the one before.
type terms struct{ last uint64 }

// took notes the token of one that has just taken the record in this way.
func (s *terms) took(t testing.TB, how string, l locks.Fenced) {
	t.Helper()
	token := l.Token()
	if token <= s.last {
		t.Errorf("a term that began %s has the token %d, after one with %d", how, token, s.last)
	}
	s.last = max(token, s.last)
}

// tokensGrow: a destination that has seen a token refuses what comes with a lower one.
func tokensGrow(t testing.TB, b Backend) {
	first, second := fenced(t, b, "a"), fenced(t, b, "b")
	var s terms
	if got := first.Token(); got != 0 {
		t.Errorf("the token is %d before any term", got)
	}
	create(t, first, held("a"))
	s.took(t, "by Create", first)
	get(t, second)
	if got := second.Token(); got != 0 {
		t.Errorf("the token of one that looks on is %d", got)
	}
	update(t, second, held("b"))
	s.took(t, "by taking the record over", second)
	get(t, first)
	update(t, first, held("a"))
	s.took(t, "by taking the record back", first)
	update(t, first, held(""))
	update(t, first, held("a"))
	s.took(t, "by taking the record that it had released itself", first)
	update(t, first, held(""))
	get(t, second)
	update(t, second, held("b"))
	s.took(t, "by taking the record that another had released", second)
}

// tokensOutliveTheRecord: LeaderTransitions do not.
func tokensOutliveTheRecord(t testing.TB, b Backend) {
	first, second := fenced(t, b, "a"), fenced(t, b, "b")
	var s terms
	create(t, first, held("a"))
	s.took(t, "by Create", first)
	get(t, second)
	update(t, second, held("b"))
	s.took(t, "by taking the record over", second)
	b.Delete(t)
	_, _, err := first.Get(t.Context())
	refused(t, "Get of a deleted record", err, "NotFound")
	create(t, first, held("a"))
	s.took(t, "after the record was deleted", first)
	b.Delete(t)
	create(t, second, held("b"))
	s.took(t, "after the record was deleted again", second)
	b.Delete(t)
	create(t, first, held("a")) // which has not seen that another has held it
	s.took(t, "after the record of another was deleted unseen", first)
}

// renewalsKeepTheToken: the token is that of the term, and a term is what a
// destination knows.
func renewalsKeepTheToken(t testing.TB, b Backend) {
	l, other := fenced(t, b, "a"), fenced(t, b, "b")
	r := held("a")
	create(t, l, r)
	want := l.Token()
	for range 3 {
		r = renewed(r, time.Second)
		update(t, l, r)
		get(t, l)
		get(t, other)
		refused(t, "Create of a record that exists", l.Create(t.Context(), r), "AlreadyExists")
		get(t, l)
		if got := l.Token(); got != want {
			t.Errorf("the token is %d after a renewal, and was %d when the term began", got, want)
		}
	}
	update(t, l, renewed(r, time.Second))
	refused(t, "a stale Update", other.Update(t.Context(), held("b")), "Conflict")
	if got := other.Token(); got != 0 {
		t.Errorf("the token of one that could not take the record is %d", got)
	}
}
