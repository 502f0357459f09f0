package ledger

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/go-logr/logr"

	"github.com/fairlead-dev/fairlead/internal/synctest"
)

// many is a ledger of many clusters with a cursor each, and all of them stored.
type many struct {
	*testing.T
	ledger  *Ledger
	store   *testStore
	cursors []*Cursor
	refuses map[string]bool // cursors
	n       int
}

func newMany(t *testing.T, clusters int) *many {
	t.Helper()
	m := &many{T: t, store: &testStore{memStore: newMemStore()}, refuses: map[string]bool{}}
	var err error
	if m.ledger, err = Open(t.Context(), Options{Store: m.store, Log: logr.Discard()}); err != nil {
		t.Fatal(err)
	}
	for i := range clusters {
		c, _ := m.ledger.claimAs(StreamID{Cluster: fmt.Sprint("cluster-", i), Resource: "pods"}, "d")
		m.cursors = append(m.cursors, c)
	}
	m.commit(nil)
	m.store.refuseIf(func(updates []Update) bool {
		for _, u := range updates {
			if m.refuses[u.Cursor] {
				return true
			}
		}
		return false
	})
	return m
}

// begin begins a new object of a cluster.
func (m *many) begin(c *Cursor) (safe <-chan struct{}) {
	m.Helper()
	m.n++
	sequence, _ := c.observe(pod(m.n), at20(m.n), false, true)
	_, _, safe, superseded := c.Begin(sequence, pod(m.n), at20(m.n), false)
	if safe == nil || superseded {
		m.Fatal("nothing to store")
	}
	return safe
}

// commit stores, and returns in how many transactions.
func (m *many) commit(want error) (transactions int) {
	m.Helper()
	before := m.store.count()
	if err := m.ledger.writer.commit(m.Context(), false); !errors.Is(err, want) {
		m.Fatalf("error %v, want %v", err, want)
	}
	return m.store.count() - before
}

func (m *many) failing() (n int) {
	for _, c := range m.cursors {
		if c.cluster.failing.Load() {
			n++
		}
	}
	return n
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// One cluster that is refused is found by halves, and the others are told as soon as they
// are stored. From then on it is stored apart.
func TestARefusedPartIsFoundByHalves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMany(t, 1000)
		var safe []<-chan struct{}
		for _, c := range m.cursors {
			safe = append(safe, m.begin(c))
		}
		bad := 500
		m.refuses[m.cursors[bad].key] = true
		refuse, woken := m.store.refuse, []int{}
		m.store.refuseIf(func(updates []Update) bool {
			n := 0
			for _, c := range safe {
				if isClosed(c) {
					n++
				}
			}
			woken = append(woken, n)
			return refuse(updates)
		})
		const most = 1 + 2*10 // 10 times a half
		if n := m.commit(errPoison); n > most {
			t.Errorf("%d transactions, want at most %d", n, most)
		}
		for i, c := range safe {
			if isClosed(c) != (i != bad) {
				t.Fatalf("cluster %d: woken %v", i, isClosed(c))
			}
		}
		if last := woken[len(woken)-1]; last < 900 {
			t.Errorf("before the last transaction, %d clusters were told that they are stored: %v", last, woken)
		}
		for _, c := range m.cursors {
			m.begin(c)
		}
		if n := m.commit(errPoison); n != 2 || m.failing() != 1 {
			t.Errorf("%d transactions, %d clusters fail; want one of all that are well, and one of the refused one", n, m.failing())
		}
		m.ledger.writer.retryAt = time.Now().Add(time.Hour)
		m.begin(m.cursors[1])
		m.begin(m.cursors[bad])
		if n := m.commit(nil); n != 1 {
			t.Errorf("%d transactions before the refused one is tried again, want 1", n)
		}
		m.ledger.writer.retryAt = time.Time{}
		m.store.refuseIf(nil)
		if n := m.commit(nil); n != 1 || m.failing() != 0 {
			t.Errorf("%d transactions, %d clusters fail; want one that stores what is left", n, m.failing())
		}
	})
}

// So many in a row are refused that the store is left alone. The others come to be stored
// all the same, and those of the refused that the store takes again.
func TestManyRefusedPartsHoldUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMany(t, 1000)
		const bad = 3 * giveUpAfter
		for i, c := range m.cursors {
			if i < bad {
				m.refuses[c.key] = true
			} else {
				m.begin(c) // more of it: the refused come first
			}
			m.begin(c)
		}
		for round := 0; m.failing() != bad; round++ {
			if n := m.commit(errPoison); n > 2*bad+3*12 || round > 3 {
				t.Fatalf("round %d: %d transactions, %d clusters fail", round, n, m.failing())
			}
		}
		again := 0
		for _, c := range m.cursors[:bad] {
			if again++; again%5 == 0 {
				delete(m.refuses, c.key)
			}
		}
		for round := 0; m.failing() != len(m.refuses); round++ {
			if m.commit(errPoison); round > 6 {
				t.Fatalf("round %d: %d clusters fail, want %d", round, m.failing(), len(m.refuses))
			}
		}
	})
}

// A process of a later term ends it at once.
func TestHalvesEndWithTheTerm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMany(t, 100)
		for _, c := range m.cursors {
			m.begin(c)
		}
		m.store.fail(fmt.Errorf("refused: %w", ErrOldTerm))
		if n := m.commit(ErrOldTerm); n != 1 {
			t.Errorf("%d transactions, want 1", n)
		}
	})
}

// Whoever waits for a cluster that is stored goes on while the writer still looks for those
// that are refused.
func TestWakingDoesNotWaitForTheRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, &testStore{memStore: newMemStore(), takes: time.Second})
		good, refused := r.claim("good"), map[string]bool{}
		for i := range 8 {
			refused[r.claim(fmt.Sprint("bad-", i)).key] = true
		}
		time.Sleep(time.Minute + 50*time.Millisecond) // between two times at which all is stored
		r.store.refuseIf(func(updates []Update) bool {
			for _, u := range updates {
				if refused[u.Cursor] {
					return true
				}
			}
			return false
		})
		all := r.ledger.all()
		for _, c := range all {
			if refused[c.key] {
				for i := range 3 {
					sequence, _ := c.observe(pod(i), at20(i), false, false)
					c.begin(sequence, pod(i), at20(i), false)
				}
			}
		}
		sequence, _ := good.observe(pod(1), at20(1), false, false)
		_, _, safe, _ := good.Begin(sequence, pod(1), at20(1), false) // the first that wakes the writer, so that one transaction has all of it
		began := time.Now()
		<-safe
		if took := time.Since(began); took > 8*time.Second { // to look for all of them takes 17
			t.Errorf("woken after %v", took)
		}
	})
}

// Those that were refused by themselves are tried together once, and then each by itself;
// no more than giveUpAfter at once.
func TestTheRefusedAreTriedOneByOne(t *testing.T) {
	for bad, want := range map[int]int{20: 21, 3 * giveUpAfter: 1 + giveUpAfter} {
		synctest.Test(t, func(t *testing.T) {
			m := newMany(t, bad)
			for _, c := range m.cursors {
				m.refuses[c.key] = true
				m.begin(c)
			}
			for range 4 {
				m.commit(errPoison)
			}
			if n := m.commit(errPoison); n != want {
				t.Errorf("%d refused: %d transactions, want %d", bad, n, want)
			}
		})
	}
}

// What was never refused by itself is not said to be: it is stored later, in the company of
// others that are taken.
func TestDoubtfulPartsAreNotRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMany(t, 1000)
		refuses := make([]<-chan struct{}, len(m.cursors))
		for i, c := range m.cursors {
			refuses[i] = c.StoreRefuses()
			if i < 2*giveUpAfter {
				m.refuses[c.key] = true
			} else {
				m.begin(c)
			}
			m.begin(c)
		}
		doubtful := 0
		for range 4 {
			m.commit(errPoison)
			doubtful = max(doubtful, m.failing()-len(m.refuses))
			for i, c := range m.cursors {
				if bad := m.refuses[c.key]; !bad && (isClosed(refuses[i]) || isClosed(c.StoreRefuses()) || c.cluster.storing.told) {
					t.Fatalf("cluster %d is said to be refused", i)
				}
			}
		}
		if doubtful == 0 {
			t.Error("no cluster was in doubt")
		}
		for i, c := range m.cursors {
			if bad := m.refuses[c.key]; bad && (!isClosed(refuses[i]) || !isClosed(c.StoreRefuses())) {
				t.Fatalf("cluster %d is refused, and not said to be", i)
			}
		}
	})
}

// However often a cluster is refused, and others ask meanwhile: they are few channels.
func TestWaitersOfARefusedClusterShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMany(t, 10)
		c := m.cursors[3]
		m.refuses[c.key] = true
		safe := map[<-chan struct{}]bool{}
		for range 100 {
			safe[m.begin(c)] = true
			m.commit(errPoison)
		}
		if len(safe) > 2 {
			t.Errorf("%d channels", len(safe))
		}
		m.refuses = nil
		m.commit(nil)
		m.commit(nil)
		for s := range safe {
			if !isClosed(s) {
				t.Error("one waits still")
			}
		}
	})
}
