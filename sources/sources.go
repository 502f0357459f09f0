package sources

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/semaphore"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/pipeline/budget"
	"github.com/fairlead-dev/fairlead/sources/connection"
	"github.com/fairlead-dev/fairlead/sources/fleet"
	"github.com/fairlead-dev/fairlead/sources/stream"
	"github.com/fairlead-dev/fairlead/sources/stream/wire"
)

// Config tunes how members are followed.
type Config struct {
	Connection connection.Config
	Stream     stream.Config
	// MaxConcurrentSnapshots is how many snapshots may start at once across
	// the fleet; 0 means 1.
	MaxConcurrentSnapshots int
	// Quota bounds what one member may have in the ledger, unless its description
	// asks for another bound. Zero is none.
	Quota ledger.Quota
	// NameHold is how long another cluster has to answer under a member's name
	// before it gets the name, and all that is known of the one before is told as
	// deleted. 0 means fleet.DefaultNameHold, less than 0 at once.
	NameHold time.Duration
	// ExtraWatches is how many routes may have a watch of their own in each stream of
	// a member, because they are behind. 0 means DefaultExtraWatches.
	ExtraWatches int
	// UserAgent is what the members' API servers log.
	UserAgent string
}

// Queue is where the changes go. Once a change is acked, the memory of its Object
// is used for another one. RemoveCluster drops what waits of a cluster and
// returns when none of its changes is in work any more.
type Queue interface {
	stream.Offerer
	RemoveCluster(ctx context.Context, cluster string) error
}

// Route is one sink's way: the name that the ledger knows it by, and where the
// changes for it go. What its sink does not take concerns no other route.
type Route struct {
	Name  string
	Queue Queue
	// Memory is the route's share of the memory that bounds what is read, waits or is
	// in work. nil: there is no bound but the queue's.
	Memory *budget.Share
}

// DefaultExtraWatches is how many routes may read a resource of a member for
// themselves at once.
const DefaultExtraWatches = 2

// Options say what a Sources works with.
type Options struct {
	Config Config
	Specs  []stream.Spec // followed in every member
	Routes []Route       // at least one
	Ledger *ledger.Ledger
	// Term is that of the process, see pipeline.Origin. 0 means 1.
	Term uint64
	// Limit is called with the limits that a member's description asks for, when
	// it joins and when its description changes, in the order of the changes.
	// It must not block, nor call the Sources, which are locked meanwhile.
	// Optional.
	Limit func(cluster string, l fleet.Limits)
	// Removed is called once nothing of a member is left, from the member's
	// own goroutine. It must not block for long. Optional.
	Removed func(cluster string)
	Log     logr.Logger
}

// Sources follows the members it is told of. It is a fleet.Handler.
type Sources struct {
	*roster[*member]

	o          Options
	snapshots  *semaphore.Weighted
	claims     *stream.Claims
	buffers    wire.Buffers
	reconnects *connection.ReconnectLimiter
	twins      *twins
}

// member is one cluster from its Set to the end of its removal.
type member struct {
	resident

	// Guarded by the lock of the roster:
	streams []*stream.Stream // of conn
	leaves  map[string]bool  // the routes that take leave of something

	retrying sync.WaitGroup // counts what Retry is about
	claims   claims
}

// New returns a Sources without members. It starts nothing.
func New(o Options) *Sources {
	s := &Sources{
		o:          o,
		snapshots:  semaphore.NewWeighted(int64(max(o.Config.MaxConcurrentSnapshots, 1))),
		claims:     stream.NewClaims(),
		reconnects: connection.NewReconnectLimiter(o.Config.Connection.ReconnectMax),
		twins:      newTwins(o.Log),
	}
	s.roster = newRoster(o.Log, s)
	return s
}

// Run follows the members, those set before and those set while it runs, until
// ctx ends, then waits for all of them. It can be called once.
func (s *Sources) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() { s.lookAtUnwatched(ctx) })
	return s.children.Run(ctx)
}

// Set adds a member or gives one that is there a new configuration. A new
// configuration keeps the lane and what was delivered: nothing is replayed. A
// member that is being removed starts anew once that is done.
func (s *Sources) Set(m fleet.Member) { s.set(m) }

// Remove takes a member out. It returns at once; what the member holds is
// freed when its changes in work are done.
func (s *Sources) Remove(name string) { s.remove(name) }

// MemberStatus is where one member stands.
type MemberStatus struct {
	Source     string // where its configuration came from
	Connection connection.Status
	// SameAs are the other members that are the same cluster, SameSince when the
	// last of all became known as such.
	SameAs    []string
	SameSince time.Time
	Streams   []stream.Status
}

// Status tells of all members, by name.
func (s *Sources) Status() []MemberStatus {
	type parts struct {
		source  string
		conn    *connection.Connection
		streams []*stream.Stream
	}
	s.mu.Lock()
	members := make([]parts, 0, len(s.members))
	for _, name := range slices.Sorted(maps.Keys(s.members)) {
		r := s.members[name]
		members = append(members, parts{r.config.Source, r.conn, r.streams})
	}
	s.mu.Unlock()

	status := make([]MemberStatus, 0, len(members))
	for _, r := range members {
		m := MemberStatus{Source: r.source, Connection: r.conn.Status()}
		m.SameAs, m.SameSince = s.twins.of(m.Connection.Cluster)
		for _, st := range r.streams {
			m.Streams = append(m.Streams, st.Status())
		}
		status = append(status, m)
	}
	return status
}
