package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
)

// The defaults of Options.
const (
	DefaultRetention = 7 * 24 * time.Hour
	DefaultInterval  = time.Second
)

// StreamID names a cursor: of a stream, on its way to one sink.
type StreamID struct {
	Cluster    string `json:"cluster"`    // the member's name
	ClusterUID string `json:"clusterUID"` // its identity: UID of its kube-system namespace, or a digest
	Resource   string `json:"resource"`   // with group, such as "deployments.apps"
	Namespace  string `json:"namespace,omitempty"`
	Route      string `json:"route,omitempty"` // the sink's name
}

// Options say how a ledger is kept.
type Options struct {
	// Store is what outlives the process; nil: nothing does.
	Store Store
	// Routes are the names of the sinks that there are. A cursor of a version that
	// had one for all sinks becomes one for each that it names, or, if it names
	// none, one for each of these, for which everything is due.
	Routes []string
	// Interval is how often acks and resume points are stored. Zero means
	// DefaultInterval. After a crash, what was delivered within it is delivered
	// again.
	Interval time.Duration
	// Retention is how long the cursors of a cluster that left the fleet are
	// kept, those of a sink that there is not any more, and those that nobody follows
	// until Unwatched returns them. Zero means DefaultRetention.
	Retention time.Duration
	// Term returns the term in which this process delivers, given the highest in which
	// the ledger was used: see Alone and Elected. It may be called more than once, and
	// must not return a lower number than it is given. Open returns its error. nil: the
	// highest, which is not stored.
	Term func(last Term) (Term, error)
	Log  logr.Logger
}

// Ledger is the set of all cursors. Its methods may be called from any
// goroutine.
type Ledger struct {
	retention time.Duration
	routes    atomic.Pointer[[]string] // the names of the sinks that there are
	log       logr.Logger
	writer    *writer // nil without a store
	term      *Cursor

	mu       sync.Mutex
	cursors  map[StreamID]*Cursor
	clusters map[string]*cluster
	due      map[string]map[dueID]*owed // by cluster, see RaiseDueOf
	looked   int                        // cursors that were walked over, for tests

	moveAtOnce int    // objects in a step of a move: lookedAtOnce, but in tests
	between    func() // two steps of a move; nil but in tests
}

// Open loads the ledger from its store. It fails on a store that cannot be
// read, or holds what cannot have been written (ErrCorrupt): to go on without
// it would lose deletions in silence. A store that cannot be read is not changed.
//
// With Options.Term the store then holds that, and refuses what a process of an earlier
// term writes. What one has written before that is read.
func Open(ctx context.Context, o Options) (*Ledger, error) {
	if err := refusesTerm(ctx, o); err != nil {
		return nil, err
	}
	l, err := open(ctx, o)
	if err != nil || o.Term == nil || o.Store == nil {
		return l, err
	}
	taken, err := l.takeTerm(ctx, o.Store, o.Term)
	if err != nil {
		return nil, err
	}
	if !taken || isExclusive(o.Store) {
		return l, nil
	}
	return open(ctx, o)
}

// refusesTerm returns why Options.Term refuses what the store holds, if it does. A
// refusal need not wait for all that a large ledger holds; takeTerm tells all else.
func refusesTerm(ctx context.Context, o Options) error {
	if o.Term == nil || o.Store == nil {
		return nil
	}
	held, err := readTerm(ctx, o.Store)
	if err != nil || held == nil {
		return nil //nolint:nilerr // To open the ledger says it, or tries again.
	}
	h, err := decodeHead(termKey, held)
	if err != nil {
		return nil //nolint:nilerr // To load the ledger says it.
	}
	if _, err := o.Term(h.term()); errors.Is(err, ErrLowerToken) {
		return err
	}
	return nil
}

// open loads the ledger and leaves its term as it is.
func open(ctx context.Context, o Options) (*Ledger, error) {
	l := &Ledger{
		retention: cmp.Or(o.Retention, DefaultRetention),
		log:       o.Log,
		cursors:   map[StreamID]*Cursor{},
		clusters:  map[string]*cluster{},
		due:       map[string]map[dueID]*owed{},

		moveAtOnce: lookedAtOnce,
	}
	l.routes.Store(&o.Routes)
	if o.Store == nil {
		l.term = newTerm(nil)
		if o.Term == nil {
			return l, nil
		}
		t, err := o.Term(Term{})
		if err != nil {
			return nil, err
		}
		l.term.head.setTerm(t)
		return l, nil
	}
	l.writer = newWriter(o, l)
	l.term = newTerm(l.writer)
	now := time.Now()
	err := o.Store.Load(ctx, func(cursor string, stored []byte, records iter.Seq2[[]byte, []byte]) error {
		if cursor == termKey {
			if err := l.loadTerm(stored); err != nil {
				return err
			}
			return l.term.kept.load(records)
		}
		return l.load(cursor, stored, records, now)
	})
	if err != nil {
		return nil, fmt.Errorf("load the ledger: %w", err)
	}
	l.loadDue()
	return l, nil
}

// Run writes what changes to the store until ctx ends, and then once more; and
// it drops the cursors of clusters that left too long ago. The caller ends it
// after the last worker. It ends by itself with ErrOldTerm when a process of a later
// term has the store: then this one must deliver nothing more.
func (l *Ledger) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	wg.Go(func() { l.lookAtTimes(ctx) })
	if l.writer == nil {
		<-ctx.Done()
		return nil
	}
	switch err := l.writer.run(ctx); {
	case errors.Is(err, ErrOldTerm):
		return fmt.Errorf("write the ledger: %w", err)
	case err != nil:
		return fmt.Errorf("write the ledger for the last time: %w", err)
	}
	return nil
}

// Status tells where the store stands. It is not ok without a store.
func (l *Ledger) Status() (s Status, ok bool) {
	if l.writer == nil {
		return Status{}, false
	}
	return l.writer.getStatus(), true
}

// Claim returns the cursor of a stream and a route, a new one if there is none, and
// those of other clusters that had the name, whose objects are gone: the caller
// delivers their deletions and then calls Retired. In each of these clusters the stream
// has what would be its own in its present one, see absorb.
//
// What is returned is a handle: from here on, calls through older ones do nothing,
// but for acks of what they have begun. The new owner begins where a restart would.
//
// Two UIDs are two clusters. A name made of a digest (ByDigest) is no evidence of
// another cluster, however it differs: it stands for the one that there is, unless
// that is one of others, which the caller knows to be other clusters. Such a name
// gives way to a UID, and never takes the place of one: the cursor's ID tells
// under which the stream goes on.
func (l *Ledger) Claim(q Claiming) (c *Cursor, former []*Cursor) {
	k := l.beginClaim(q.ID.Cluster)
	defer l.endClaim(k)
	l.absorb(q)
	k.whole.Lock()
	defer k.whole.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	id := q.ID
	c = l.cursors[id]
	for _, o := range l.sameLocked(id) {
		uid := o.ID().ClusterUID
		if c != nil || !maybeSame(uid, id.ClusterUID, q.Others) {
			former = append(former, o.current())
			continue
		}
		c = o
		if !ByDigest(id.ClusterUID) {
			l.renameLocked(c, id)
		}
	}
	if c == nil {
		c = l.newSelectionLocked(id, q.Selection)
	} else {
		l.beginsAgainLocked(c)
	}
	c = c.claimed(q)
	l.yieldLocked(c.ID(), former, q.Others)
	return c, former
}

// beginClaim waits for the other claims of a cluster, which is not freed until endClaim.
func (l *Ledger) beginClaim(name string) *cluster {
	l.mu.Lock()
	k := l.clusterLocked(name)
	k.claimed++
	l.mu.Unlock()
	k.claims.Lock()
	return k
}

func (l *Ledger) endClaim(k *cluster) {
	k.claims.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	k.claimed--
	l.freeLocked(k)
}

// yieldLocked notes of the other streams of a name which cluster has it now, also
// of those that nobody claims any more: a cluster is replaced in all of them.
func (l *Ledger) yieldLocked(id StreamID, former []*Cursor, others []string) {
	for c := range l.ofLocked(id.Cluster) {
		switch other := c.ID(); {
		case other == id:
		case other.ClusterUID == id.ClusterUID:
			c.setReplaced(false)
		case slices.Contains(others, other.ClusterUID),
			slices.ContainsFunc(former, func(f *Cursor) bool { return f.ID().ClusterUID == other.ClusterUID }):
			c.setReplaced(true)
		}
	}
}

// maybeSame reports whether two names of clusters are no evidence of two
// clusters; others are known not to be the second one.
func maybeSame(one, other string, others []string) bool {
	return (ByDigest(one) || ByDigest(other)) && !slices.Contains(others, one)
}

// renameLocked gives a cursor that is named by a digest its cluster's UID.
func (l *Ledger) renameLocked(c *Cursor, id StreamID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l.removeLocked(c.head.ID, c)
	l.addLocked(id, c)
	c.head.Was = append(slices.Clone(c.head.Was), c.head.ID.ClusterUID)
	c.head.ID, c.headDirty = id, true
}

// ID returns the name of the cursor's stream.
func (c *Cursor) ID() StreamID {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.head.ID
}

// setReplaced notes whether another cluster has taken the name of the cursor's.
func (c *Cursor) setReplaced(replaced bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.head.Replaced != replaced {
		c.head.Replaced, c.headDirty = replaced, true
	}
}

// Retired drops a cursor of which leave has been taken, because another cluster has the
// name. What the cursor in its place observes from here on is numbered above the
// deletions. It does nothing if somebody has claimed the cursor since.
func (l *Ledger) Retired(former, by *Cursor) {
	l.dropIf(former, func() bool {
		if !former.Owned() {
			return false
		}
		by.numberAbove(former.number())
		return true
	})
}

// Drop forgets a stream and all that is known of it.
func (l *Ledger) Drop(id StreamID) {
	l.mu.Lock()
	c := l.cursors[id]
	l.mu.Unlock()
	if c != nil {
		l.dropIf(c, func() bool { return c.ID() == id })
	}
}

// drop is Drop, unless another cursor has taken the place of c.
func (l *Ledger) drop(c *Cursor) { l.dropIf(c, func() bool { return true }) }

// dropIf drops a cursor that is the ledger's if that is still so by what should returns.
// Nobody claims it meanwhile.
func (l *Ledger) dropIf(c *Cursor, should func() bool) {
	c.cluster.whole.Lock()
	defer c.cluster.whole.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	id := c.ID()
	if held := l.cursors[id]; held != nil && held.cursor == c.cursor && should() {
		l.dropLocked(id, held)
	}
}

// dropLocked tells the writer before anybody can claim the stream anew: see
// writer.take.
func (l *Ledger) dropLocked(id StreamID, c *Cursor) {
	l.removeLocked(id, c)
	l.outliveLocked(c)
	c.drop()
	if l.writer != nil {
		l.writer.drop(c)
	}
	l.freeLocked(c.cluster)
}
