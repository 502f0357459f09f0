package ledger

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"

	"github.com/google/go-cmp/cmp"
)

// inTerm opens a store in a term above the highest, as a process does that leads.
func inTerm(t *testing.T, store Store, term uint64) (*Ledger, error) {
	t.Helper()
	return Open(t.Context(), Options{Store: store, Term: ofNumber(func(highest uint64) uint64 { return max(term, highest) })})
}

// ofNumber chooses a term by its number alone.
func ofNumber(choose func(highest uint64) uint64) func(Term) (Term, error) {
	return func(last Term) (Term, error) { return Term{Number: choose(last.Number)}, nil }
}

func TestTerm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &testStore{memStore: newMemStore()}
		l, err := inTerm(t, store, 7)
		if err != nil || l.Term() != 7 {
			t.Fatalf("%v, term %d", err, l.Term())
		}
		heads := func() (n int) {
			for _, s := range store.seen() {
				n += s.heads
			}
			return n
		}
		before := heads()
		for _, again := range []uint64{7, 3, 0} {
			if l, err := inTerm(t, store, again); err != nil || l.Term() != 7 {
				t.Errorf("%d again: %v, term %d; want the highest", again, err, l.Term())
			}
		}
		if wrote := heads() - before; wrote > 0 {
			t.Errorf("the same term again was written %d times", wrote)
		}
		if l, err := Open(t.Context(), Options{Store: store}); err != nil || l.Term() != 7 {
			t.Errorf("without a term: %v, term %d", err, l.Term())
		}
		_, err = Open(t.Context(), Options{Store: store, Term: ofNumber(func(uint64) uint64 { return 6 })})
		if !errors.Is(err, ErrOldTerm) {
			t.Errorf("an earlier term: %v", err)
		}
		store.fail(errors.New("disk full"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := Open(ctx, Options{Store: store, Term: ofNumber(func(uint64) uint64 { return 8 })}); err == nil {
			t.Error("a store that fails has taken a term")
		}
		store.fail(nil)
		if described, err := Describe(t.Context(), store); err != nil || len(described) != 0 {
			t.Errorf("described as %+v, %v", described, err)
		}
		if all, err := ReadAll(t.Context(), store); err != nil || len(all) != 0 {
			t.Errorf("read as %+v, %v", all, err)
		}
	})
}

func TestTermWithoutAStore(t *testing.T) {
	l, err := Open(t.Context(), Options{Term: ofNumber(func(highest uint64) uint64 { return highest + 3 })})
	if err != nil || l.Term() != 3 {
		t.Errorf("%v, term %d", err, l.Term())
	}
}

// Two processes, of which one does not know that it leads no more, are over one store
// that lets both write: of what the earlier one writes once the later one has begun to
// read, nothing is stored.
func TestALaterTermRefusesAnEarlierOne(t *testing.T) {
	bubble(t, func(t *testing.T, r *running) {
		r.snapshotted()
		deliver := func(i int) {
			sequence, _ := r.cursor.observe(pod(i), at20(i), false, false)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if _, _, err := beginAndWait(ctx, r.cursor, sequence, pod(i), at20(i), false); err != nil {
				return
			}
			r.cursor.Ack(sequence, pod(i), at20(i), false)
			r.cursor.Seen(at20(i).ResourceVersion)
			time.Sleep(2 * time.Second)
		}
		deliver(1)
		held := func() string {
			r.store.mu.Lock()
			defer r.store.mu.Unlock()
			return fmt.Sprint(r.store.heads, r.store.records)
		}
		was := held()
		later, err := inTerm(t, r.store, 5)
		if err != nil {
			t.Fatal(err)
		}
		if held() == was {
			t.Error("the later process has not noted its term")
		}
		was = held()
		r.ledger.Join("b")
		deliver(2)
		deliver(3)
		synctest.Wait()
		if diff := cmp.Diff(was, held()); diff != "" {
			t.Errorf("the earlier process has written:\n%s", diff)
		}
		if err := r.stop(); !errors.Is(err, ErrOldTerm) {
			t.Errorf("Run of the earlier process ended with %v", err)
		}
		if c := later.all(); len(c) != 1 || later.Term() != 5 {
			t.Errorf("the later process has read %d cursors in term %d", len(c), later.Term())
		}
	})
}

// meanwhile has something happen before the next transaction that changes anything.
type meanwhile struct {
	*memStore
	do    func()
	loads int
}

func (m *meanwhile) Load(ctx context.Context, visit func(string, []byte, iter.Seq2[[]byte, []byte]) error) error {
	m.loads++
	return m.memStore.Load(ctx, visit)
}

func (m *meanwhile) Apply(ctx context.Context, updates []Update) error {
	if do := m.do; do != nil && !updates[0].OnlyChecks() {
		m.do = nil
		do()
	}
	return m.memStore.Apply(ctx, updates)
}

// Two that begin at the same moment, each with the next term, do not begin with the same.
func TestTwoProcessesNeverHaveOneTerm(t *testing.T) {
	next := Options{Term: ofNumber(func(highest uint64) uint64 { return highest + 1 })}
	store := &meanwhile{memStore: newMemStore()}
	var first, second *Ledger
	store.do = func() {
		o := next
		o.Store = store.memStore
		var err error
		if first, err = Open(t.Context(), o); err != nil {
			t.Error(err)
		}
	}
	o := next
	o.Store = store
	second, err := Open(t.Context(), o)
	if err != nil || first == nil || first.Term() != 1 || second.Term() != 2 {
		t.Errorf("%v: terms %v and %v, want 1 and 2", err, first, second)
	}
}

// A volume that is full when a process begins to lead is waited for, as later.
func TestTheTermWaitsForTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemStore()
		repaired := time.Now().Add(time.Hour)
		store.around = func(apply func() error) error {
			if time.Now().Before(repaired) {
				return errors.New("no space left on device")
			}
			return apply()
		}
		l, err := inTerm(t, store, 7)
		if err != nil || l.Term() != 7 {
			t.Errorf("%v, term %d", err, l.Term())
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		repaired = time.Now().Add(time.Hour)
		if _, err := Open(ctx, Options{Store: store, Term: ofNumber(func(highest uint64) uint64 { return highest + 1 })}); err == nil || !strings.Contains(err.Error(), "no space left") {
			t.Errorf("%v, want the reason", err)
		}
	})
}

// What an earlier process has written until the later one took its term is read, and a
// store that is this process's alone is read once.
func TestWhatIsReadIsWhatThereIs(t *testing.T) {
	for _, exclusive := range []bool{false, true} {
		inner := newMemStore()
		store := &oneProcess{meanwhile{memStore: inner}, exclusive}
		earlier, err := inTerm(t, inner, 1)
		if err != nil {
			t.Fatal(err)
		}
		store.do = func() {
			_, _ = earlier.claimAs(StreamID{Cluster: "a", Resource: "pods"}, "digest")
			if err := earlier.writer.commit(t.Context(), true); err != nil {
				t.Error(err)
			}
		}
		later, err := inTerm(t, Fenced(store, func() error { return nil }), 2)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(later.all()); n != 1 && !exclusive || later.Term() != 2 {
			t.Errorf("%d cursors are known in term %d, want 1 in 2", n, later.Term())
		}
		if want := map[bool]int{true: 1, false: 2}[exclusive]; store.loads != want {
			t.Errorf("exclusive %v: read %d times, want %d", exclusive, store.loads, want)
		}
		if err := earlier.writer.commit(t.Context(), true); err != nil {
			t.Error("there was nothing to write:", err)
		}
	}
}

// oneProcess is a store that may be this process's alone.
type oneProcess struct {
	meanwhile
	exclusive bool
}

func (o *oneProcess) Exclusive() bool { return o.exclusive }
