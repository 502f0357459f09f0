package batch

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/ratelimit"
)

// partlyStore is a ledger's store that keeps nothing, and may refuse what is of the clusters
// whose names begin with bad.
type partlyStore struct {
	mu       sync.Mutex
	bad      map[string]bool // cursors
	refusing bool
}

func (s *partlyStore) Load(context.Context, func(string, []byte, iter.Seq2[[]byte, []byte]) error) error {
	return nil
}

func (s *partlyStore) Apply(_ context.Context, updates []ledger.Update) error {
	time.Sleep(2 * time.Millisecond) // as a file system that syncs
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range updates {
		if strings.Contains(string(u.Head), `"cluster":"bad-`) {
			s.bad[u.Cursor] = true
		}
		if s.bad[u.Cursor] && s.refusing {
			return errors.New("row-level security refuses this row")
		}
	}
	return nil
}

func (s *partlyStore) refuse() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusing = true
}

// member is a cluster with its cursor, and the tracker of its changes.
type member struct {
	name   string
	cursor *ledger.Cursor
	origin pipeline.Origin
	n      int // objects that it has had
}

func (m *member) version(c *pipeline.Change) (ledger.Name, ledger.Version) {
	return ledger.Name{Namespace: c.Key.Namespace, Name: c.Key.Name}, ledger.Version{UID: string(c.UID), ResourceVersion: c.ResourceVersion}
}

func (m *member) Begin(c *pipeline.Change) ([]types.UID, <-chan struct{}, bool) {
	n, v := m.version(c)
	_, _, safe, superseded := m.cursor.Begin(c.Sequence, n, v, false)
	return nil, safe, superseded
}

func (m *member) Ack(c *pipeline.Change) {
	n, v := m.version(c)
	m.cursor.Ack(c.Sequence, n, v, false)
}

func (m *member) StoreRefuses() <-chan struct{} { return m.cursor.StoreRefuses() }

// made makes the change of one more object.
func (m *member) made() *pipeline.Change {
	m.n++
	c := change(fmt.Sprint(m.n), m.n+10)
	c.Key.Cluster, c.Origin, c.Observed = m.name, &m.origin, time.Now()
	c.UID = types.UID(fmt.Sprintf("00000000-0000-4000-8000-%012x", m.n))
	n, v := m.version(c)
	o := m.cursor.Observe(n, v, false, false, nil)
	m.cursor.Seen(v.ResourceVersion)
	c.Sequence, c.Generation = o.Sequence, o.Generation
	return c
}

// timedSink takes so long for each write, and for each change in it.
type timedSink struct {
	write, change time.Duration

	mu    sync.Mutex
	good  int           // changes
	worst time.Duration // that one of them has waited
}

func (s *timedSink) Write(_ context.Context, all []*pipeline.Change) error {
	time.Sleep(s.write + time.Duration(len(all))*s.change)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range all {
		if !strings.HasPrefix(c.Key.Cluster, "bad-") {
			s.good++
			s.worst = max(s.worst, time.Since(c.Observed))
		}
	}
	return nil
}

// deliverBeside returns how many changes of healthy clusters reach the sink in ten seconds,
// of 100 a second, while the store refuses what is of some others, which have much to deliver; and for
// how long one has waited.
func deliverBeside(t *testing.T, bad int, write, each time.Duration) (good int, worst time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		s := &timedSink{write: write, change: each}
		const clusters = 50
		store := &partlyStore{bad: map[string]bool{}}
		l, err := ledger.Open(t.Context(), ledger.Options{Store: store, Log: logr.Discard()})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = l.Run(ctx) })
		r := startRoute(t, s, Options{}, ratelimit.Limit{})
		all := make([]*member, clusters)
		for i := range all {
			m := &member{name: fmt.Sprint("good-", i)}
			if i < bad {
				m.name = fmt.Sprint("bad-", i)
			}
			l.Join(m.name)
			m.cursor, _ = l.Claim(ledger.Claiming{ID: ledger.StreamID{Cluster: m.name, Resource: "configmaps"}, Digest: "d"})
			m.cursor.BeginSnapshot()
			for range m.cursor.EndSnapshot("10") {
				t.Error("a tombstone")
			}
			m.cursor.Seen("10")
			m.origin = *testOrigin
			m.origin.Cluster, m.origin.Tracker = m.name, m
			all[i] = m
		}
		offer := func(m *member) { _ = r.queue.Offer(ctx, m.made(), 0) }
		for range 2 {
			for _, m := range all {
				offer(m)
			}
			time.Sleep(time.Second) // all are stored
		}
		store.refuse()
		for range 100 {
			for _, m := range all[:bad] {
				offer(m)
			}
		}
		s.mu.Lock()
		s.good, s.worst = 0, 0
		s.mu.Unlock()
		for i := range 1000 {
			offer(all[bad+i%(clusters-bad)])
			if i%10 == 0 && bad > 0 {
				offer(all[i/10%bad])
			}
			time.Sleep(10 * time.Millisecond)
		}
		s.mu.Lock()
		good, worst = s.good, s.worst
		s.mu.Unlock()
		cancel()
		running.Wait()
		r.end()
	})
	return good, worst
}

// Clusters that the ledger cannot store, however many, leave the others what is theirs.
func TestClustersThatCannotBeStoredHoldUpNoOther(t *testing.T) {
	for _, sink := range []struct{ write, change time.Duration }{{change: 5 * time.Millisecond}, {write: 50 * time.Millisecond}} {
		alone, usual := deliverBeside(t, 0, sink.write, sink.change)
		for _, bad := range []int{1, 2, 3, 20} {
			good, worst := deliverBeside(t, bad, sink.write, sink.change)
			t.Logf("a sink of %v and %v for each, %d clusters that cannot be stored: %d of %d changes, the last after %v (%v alone)", sink.write, sink.change, bad, good, alone, worst, usual)
			if good < alone*8/10 || worst > usual+time.Second {
				t.Error("too few or too late")
			}
		}
	}
}
