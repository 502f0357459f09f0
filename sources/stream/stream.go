package stream

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/errgroup"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/pipeline/budget"
	"github.com/fairlead-dev/fairlead/pipeline/selection"
	"github.com/fairlead-dev/fairlead/sources/member"
	"github.com/fairlead-dev/fairlead/sources/stream/wire"
)

// Connection is the member's connection, shared by its streams.
type Connection interface {
	// Acquire returns the session to dial with. It blocks while the member is
	// not to be dialed; it fails only when ctx ends or the member is gone.
	Acquire(ctx context.Context) (*member.Session, error)
	// Report tells how a call went: nil if the server answered. It does not
	// block.
	Report(s *member.Session, err error)
	// SetStale says that a stream went silent for too long, or is fresh again.
	// It does not block.
	SetStale(stream string, stale bool)
}

// Offerer takes changes over: the queue of a route.
type Offerer interface {
	// Offer blocks while the cluster's lane is full. It fails when ctx ends or
	// when no change of the cluster will be taken any more.
	Offer(ctx context.Context, c *pipeline.Change, priority int) error
	// TryOffer fails with queue.ErrFull where Offer would block.
	TryOffer(c *pipeline.Change, priority int) error
	// WaitRoom returns when the cluster's lane has room, or ctx ends, or no change
	// of the cluster will be taken any more.
	WaitRoom(ctx context.Context, cluster string) error
}

// Route is one sink's way: where the changes for it go, and its name in the
// ledger.
type Route struct {
	Name  string
	Queue Offerer
	// Memory is the route's share of the memory that bounds what is read, waits or is
	// in work. nil: there is no bound.
	Memory *budget.Share
	// Rules say what the route selects, and in which form, beside Options.Rules; nil:
	// everything, as it is.
	Rules *selection.Rules
}

// Ledger keeps the cursors of streams; ledger.Ledger is one.
type Ledger interface {
	// Claim returns the cursor of a stream and route, and those that it had in other
	// clusters of that name.
	Claim(ledger.Claiming) (c *ledger.Cursor, former []*ledger.Cursor)
	// Recall returns the streams that there are cursors of under that name, and
	// which of them Claim would take for this cluster's.
	Recall(cluster, uid string, others ...string) []ledger.Remembered
	// Retired forgets one of a cluster that another one has replaced, whose cursor is by.
	Retired(former, by *ledger.Cursor)
	// Drop forgets a cursor.
	Drop(id ledger.StreamID)
	// RaiseDueOf has all be due of what a stream will claim for some routes, and TakeDueOf
	// of what it has claimed, once. stream is Stream.Name.
	RaiseDueOf(cluster, stream string, routes ...string) error
	TakeDueOf(c *ledger.Cursor, stream string)
}

// Options are what a stream works with. Cluster, Spec, Connection, Routes and
// Ledger are required.
type Options struct {
	Cluster    string // the member's name in the fleet
	Spec       Spec
	Earlier    []Spec // those of the member's other streams that were written before
	Later      []Spec // and those after it
	Wildcard   string // that stands for the spec; empty: none
	Config     Config
	Connection Connection
	Routes     []Route // at least one
	// Rules hold for all routes. What the API server can select by them it is asked to.
	Rules *selection.Rules
	// Labels are those of the cluster, which rules may read. See Stream.Relabel.
	Labels map[string]string
	Ledger Ledger
	// ExtraWatches is how many routes may read for themselves at once, because they
	// are behind. Those beyond wait for their turn. 0 means 1.
	ExtraWatches int
	// Claimed is called when the stream has found out what it follows, with the
	// names of its cursors, none if it follows nothing in this cluster. It must not
	// block. Optional.
	Claimed func([]ledger.StreamID)
	// Term is that of the process among those that have delivered, see
	// pipeline.Origin. 0 means 1.
	Term uint64
	// Snapshots bounds the snapshots that start at once across the fleet, and
	// the pages that audits read at once; nil: nothing does.
	Snapshots Semaphore
	// Claims keeps streams from following the same objects; it is shared by all
	// streams that share a ledger. nil: the caller knows that no two do.
	Claims *Claims
	// Buffers is where objects are copied to; it is best shared by all streams. An
	// object's goes back to it with the ack, so that nobody may use the object
	// after that. nil: each object gets memory of its own.
	Buffers *wire.Buffers
	// Log gets state transitions. The zero Logger drops them.
	Log logr.Logger
}

// Priorities of changes.
const (
	livePriority     = 0
	snapshotPriority = -100 // as controller-runtime gives to what its first list brings
)

// liveFor is how long a watch must have lasted for its end to be taken for
// something that just happens, and not for one more failure.
const liveFor = 10 * time.Second

// missingRetry is how often a cluster is asked again for a resource that it
// does not have, or that cannot be followed there: 30 s and up to half as much
// again.
const missingRetry = 30 * time.Second

// Stream follows one resource of one cluster. New makes one, Run runs it.
//
// Its routes share one watch as long as they are in step: the main reader's. A
// route that is behind has a reader of its own until it has caught up.
type Stream struct {
	cluster  string
	spec     Spec
	earlier  []Spec
	later    []Spec
	wildcard string
	name     string
	cfg      Config
	conn     Connection
	ledger   Ledger
	slots    Semaphore
	claims   *Claims
	buffers  *wire.Buffers
	log      logr.Logger
	term     uint64
	claimed  func([]ledger.StreamID)
	rules    *selection.Rules
	progress progress
	branches []*branch // one for each route; never changed
	extras   int       // watches beside the main reader's
	turns    *turns    // of those who need one

	main       atomic.Pointer[reader] // the one whose watch others join
	relabelled atomic.Uint32          // how often the cluster's labels have changed
	throttles  atomic.Pointer[map[string]*Throttle]

	mu       sync.Mutex
	resource string   // with its group; empty until discovered
	what     resource // likewise
	labels   map[string]string
	readers  []*reader
	paused   paused
	behind   func(*branch) // has a branch read for itself; set by Run
	reread   func(*branch) // has what a branch wants read again; nil while Run does not run
}

// New returns a stream. It starts nothing.
func New(o Options) *Stream {
	log := o.Log
	if log.GetSink() == nil {
		log = logr.Discard()
	}
	s := &Stream{
		cluster: o.Cluster,
		spec:    o.Spec,
		earlier: o.Earlier,
		later:   o.Later,

		wildcard: o.Wildcard,
		name:     o.Spec.String(),
		cfg:      o.Config.WithDefaults(),
		conn:     o.Connection,
		ledger:   o.Ledger,
		slots:    o.Snapshots,
		claims:   o.Claims,
		buffers:  o.Buffers,
		term:     max(o.Term, 1),
		claimed:  o.Claimed,
		rules:    o.Rules,
		labels:   maps.Clone(o.Labels),
		log:      log.WithValues("cluster", o.Cluster, "stream", o.Spec.String()),
		extras:   max(o.ExtraWatches, 1),
	}
	for _, route := range o.Routes {
		s.branches = append(s.branches, newBranch(route))
	}
	s.resetLocked()
	return s
}

// Name returns the spec in its canonical form.
func (s *Stream) Name() string { return s.name }

// Spec returns what the stream was made to follow.
func (s *Stream) Spec() Spec { return s.spec }

// Wildcard returns the wildcard that stands for the spec, empty if there is none.
func (s *Stream) Wildcard() string { return s.wildcard }

// Run follows the resource until ctx ends; it returns nil then. It returns an
// error only when there is no point in going on: the member is gone,
// or changes are no longer taken. It must not run twice at once.
func (s *Stream) Run(ctx context.Context) error {
	defer s.claims.release(s)
	defer s.openAccounts()()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	g, ctx := errgroup.WithContext(ctx)
	var panicked atomic.Pointer[string]
	caught := func() {
		if p := recover(); p != nil {
			panicked.Store(new(fmt.Sprintf("%v\n\n%s", p, debug.Stack())))
			cancel()
		}
	}
	endRereads := s.beginRereads(ctx, cancel, caught)
	defer endRereads()
	main := s.begin(func(b *branch) {
		g.Go(func() error {
			defer caught()
			return s.catchUp(ctx, b)
		})
	})
	// When it panics, whoever called Run has to deal with that; the others end first.
	err := func() error {
		whole := false
		defer func() {
			if !whole {
				cancel()
				_ = g.Wait() // the panic says what there is to say
			}
		}()
		err := s.drive(ctx, main)
		whole = true
		return err
	}()
	if err != nil {
		cancel()
	}
	err = cmp.Or(err, g.Wait())
	endRereads()
	if p := panicked.Load(); p != nil {
		panic(*p)
	}
	if err != nil {
		return fmt.Errorf("stream %s of cluster %q: %w", s.name, s.cluster, err)
	}
	return nil
}
