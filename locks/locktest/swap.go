package locktest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

func updateSeen(t testing.TB, b Backend) {
	first, second := b.Open(t, "a"), b.Open(t, "b")
	create(t, first, held("a"))
	get(t, second)
	update(t, second, held("b"))
	holds(t, held("b"), second)
	refused(t, "Update by one whose record another has taken", first.Update(t.Context(), renewed(held("a"), time.Second)), "Conflict")
	holds(t, held("b"), first, second) // first has seen it now
	update(t, first, held("a"))
	holds(t, held("a"), first, second)
}

func updateWithoutGet(t testing.TB, b Backend) {
	l, other := b.Open(t, "a"), b.Open(t, "b")
	r := held("a")
	create(t, l, r)
	for range 5 {
		r = renewed(r, time.Second)
		update(t, l, r)
	}
	holds(t, r, other)
}

// staleUntilGet: who was refused has seen nothing by that. A lock that takes the
// version out of a refusal writes over what it does not know.
func staleUntilGet(t testing.TB, b Backend) {
	first, second := b.Open(t, "a"), b.Open(t, "b")
	create(t, first, held("a"))
	get(t, second)
	r := renewed(held("a"), time.Second)
	update(t, first, r)
	for i := range 3 {
		refused(t, fmt.Sprint("stale Update, attempt ", i+1), second.Update(t.Context(), held("b")), "Conflict")
	}
	refused(t, "Create after a stale Update", second.Create(t.Context(), held("b")), "AlreadyExists")
	if outcome(second.Update(t.Context(), held("b"))) == "success" {
		t.Error("an Update succeeds after a Create that was refused: nothing has been seen since")
	}
	holds(t, r, first, second)
	update(t, second, held("b"))
	holds(t, held("b"), first, second)
}

func updateUnseen(t testing.TB, b Backend) {
	first, second := b.Open(t, "a"), b.Open(t, "b")
	if outcome(second.Update(t.Context(), held("b"))) == "success" {
		t.Error("Update makes a record that does not exist")
	}
	_, _, err := first.Get(t.Context())
	refused(t, "Get after an Update of a record that does not exist", err, "NotFound")
	create(t, first, held("a"))
	if outcome(second.Update(t.Context(), held("b"))) == "success" {
		t.Error("Update succeeds although this lock has not seen the record")
	}
	holds(t, held("a"), first)
}

// contenders is how many locks write at once, and contests how often.
const contenders, contests = 8, 5

// contest has all locks do something at once, and returns which of them succeeded.
// All others have to be refused in one of these ways. It returns none if the machine was
// too busy for one of them.
func contest(t testing.TB, what string, locks []resourcelock.Interface, do func(resourcelock.Interface) error, refusals ...string) []string {
	t.Helper()
	errs := make([]error, len(locks))
	begin := make(chan struct{})
	var tooBusy atomic.Bool
	var wg sync.WaitGroup
	for i, l := range locks {
		wg.Go(func() {
			<-begin
			began := time.Now()
			if errs[i] = do(l); gaveUp(began, errs[i]) {
				tooBusy.Store(true)
			}
		})
	}
	close(begin)
	wg.Wait()
	if tooBusy.Load() {
		t.Logf("%s at once says nothing on a machine that is busy: %v", what, errors.Join(errs...))
		return nil
	}
	var winners []string
	for i, err := range errs {
		if err == nil {
			winners = append(winners, locks[i].Identity())
			continue
		}
		refused(t, fmt.Sprintf("%s by %q, one of %d at once", what, locks[i].Identity(), len(locks)), err, refusals...)
	}
	if len(winners) != 1 {
		t.Errorf("%s by %d at once succeeded for %q, want it to succeed for one", what, len(locks), winners)
	}
	return winners
}

func open(t testing.TB, b Backend, n int) []resourcelock.Interface {
	t.Helper()
	locks := make([]resourcelock.Interface, n)
	for i := range locks {
		locks[i] = b.Open(t, fmt.Sprint("process-", i))
	}
	return locks
}

func oneCreateWins(t testing.TB, b Backend) {
	locks := open(t, b, contenders)
	winners := contest(t, "Create", locks, func(l resourcelock.Interface) error {
		return l.Create(t.Context(), held(l.Identity()))
	}, "AlreadyExists")
	if len(winners) == 1 {
		holds(t, held(winners[0]), locks...)
	}
}

// oneUpdateWins: each writes another record than there is. To an API server the same
// record once more is no write, and leaves what others have seen the last one. Nor
// is that a renewal: nobody else can tell.
func oneUpdateWins(t testing.TB, b Backend) {
	locks := open(t, b, contenders)
	create(t, locks[0], held("nobody"))
	for i := range contests {
		since := time.Duration(i+1) * time.Second
		for _, l := range locks {
			get(t, l)
		}
		winners := contest(t, "Update", locks, func(l resourcelock.Interface) error {
			return l.Update(t.Context(), renewed(held(l.Identity()), since))
		}, "Conflict")
		if len(winners) != 1 {
			return
		}
		holds(t, renewed(held(winners[0]), since), locks...)
	}
}

func deletedStays(t testing.TB, b Backend) {
	l, other := b.Open(t, "a"), b.Open(t, "b")
	create(t, l, held("a"))
	b.Delete(t)
	if outcome(l.Update(t.Context(), renewed(held("a"), time.Second))) == "success" {
		t.Error("Update brings a record back that was deleted")
	}
	for _, l := range []resourcelock.Interface{l, other} {
		_, _, err := l.Get(t.Context())
		refused(t, "Get of a deleted record", err, "NotFound")
	}
	create(t, other, held("b"))
	holds(t, held("b"), l, other)
}

// madeAnew: a version counts for one record, also if its successor counts again
// from the start.
func madeAnew(t testing.TB, b Backend) {
	l, other := b.Open(t, "a"), b.Open(t, "b")
	create(t, l, held("a"))
	b.Delete(t)
	create(t, other, held("b"))
	refused(t, "Update by one that has seen a record that was deleted since", l.Update(t.Context(), renewed(held("a"), time.Second)), "Conflict")
	holds(t, held("b"), l, other)
}
