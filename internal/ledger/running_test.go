package ledger

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testStore is a memStore whose transactions take time, and may fail.
type testStore struct {
	*memStore
	takes time.Duration

	mu           sync.Mutex
	err          error
	refuse       func([]Update) bool
	attempts     int
	transactions []transactionSeen
}

type transactionSeen struct {
	at             time.Time
	heads, records int
}

func (s *testStore) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// refuseIf has the store fail for some transactions; nil: for none.
func (s *testStore) refuseIf(refuse func([]Update) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = refuse
}

// count returns how many transactions there have been, successful or not.
func (s *testStore) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.attempts
}

func (s *testStore) seen() []transactionSeen {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.transactions)
}

func (s *testStore) Load(ctx context.Context, visit func(string, []byte, iter.Seq2[[]byte, []byte]) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.memStore.Load(ctx, visit)
}

func (s *testStore) Apply(ctx context.Context, updates []Update) error {
	time.Sleep(s.takes)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attempts++
	if s.err != nil {
		return s.err
	}
	if s.refuse != nil && s.refuse(updates) {
		return errPoison
	}
	seen := transactionSeen{at: time.Now()}
	for _, u := range updates {
		seen.records += len(u.Records)
		if u.Head != nil {
			seen.heads++
		}
	}
	s.transactions = append(s.transactions, seen)
	return s.memStore.Apply(ctx, updates)
}

// running is a ledger on a testStore, with Run under way, in a bubble.
type running struct {
	*testing.T
	store  *testStore
	ledger *Ledger
	cursor *Cursor
	logs   *[]string
	stop   func() error // ends Run, and returns what it returns
}

func start(t *testing.T, store *testStore) *running {
	t.Helper()
	logs := &[]string{}
	l, err := Open(t.Context(), Options{Store: store, Log: logTo(logs)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	r := &running{T: t, store: store, ledger: l, logs: logs, stop: sync.OnceValue(func() error {
		cancel()
		return <-done
	})}
	t.Cleanup(func() { _ = r.stop() })
	l.Join("a")
	r.cursor, _ = l.claimAs(StreamID{Cluster: "a", Resource: "pods"}, "digest")
	synctest.Wait()
	return r
}

func logTo(lines *[]string) logr.Logger {
	return funcr.New(func(_, args string) { *lines = append(*lines, args) }, funcr.Options{})
}

// reopen opens what the store holds.
func (r *running) reopen() *Ledger {
	r.Helper()
	r.store.mu.Lock()
	defer r.store.mu.Unlock()
	l, err := Open(r.Context(), Options{Store: r.store.memStore})
	if err != nil {
		r.Fatal(err)
	}
	return l
}

// restart opens what the store holds, and returns its first cursor.
func (r *running) restart() *Cursor {
	r.Helper()
	c, _ := r.reopen().claimAs(r.cursor.ID(), "digest")
	return c
}

func bubble(t *testing.T, test func(t *testing.T, r *running)) {
	synctest.Test(t, func(t *testing.T) {
		test(t, start(t, &testStore{memStore: newMemStore(), takes: time.Millisecond}))
	})
}

func pod(i int) Name { return Name{"ns", fmt.Sprint("pod-", i)} }

func uuid(i int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012x", i) }

// snapshotted takes the cursor through an empty first snapshot at version 10.
func (r *running) snapshotted() *Cursor {
	r.cursor.BeginSnapshot()
	endSnapshot(r.cursor, "10")
	r.cursor.Seen("10")
	return r.cursor
}

func at20(i int) Version { return at(uuid(i), 20+i) }

// beginAndWait is Begin, and waits until the change may be handed over.
var errSuperseded = errors.New("superseded")

func beginAndWait(ctx context.Context, c *Cursor, sequence uint64, n Name, v Version, deleted bool) (ghosts []string, known bool, err error) {
	ghosts, known, safe, superseded := c.Begin(sequence, n, v, deleted)
	if superseded {
		return nil, false, errSuperseded
	}
	if safe == nil {
		return ghosts, known, nil
	}
	select {
	case <-safe:
		return ghosts, known, nil
	case <-ctx.Done():
		return nil, false, context.Cause(ctx)
	}
}
