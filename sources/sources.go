package sources

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/semaphore"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/pipeline/budget"
	"github.com/fairlead-dev/fairlead/pipeline/selection"
	"github.com/fairlead-dev/fairlead/sources/connection"
	"github.com/fairlead-dev/fairlead/sources/fleet"
	"github.com/fairlead-dev/fairlead/sources/stream"
	"github.com/fairlead-dev/fairlead/sources/stream/wire"
)

// Config tunes how members are followed. Each zero value means the default of the
// program's flag.
type Config struct {
	Connection ConnectionConfig
	Stream     StreamConfig
	// MaxConcurrentSnapshots is how many snapshots may start at once across
	// the fleet. 0 means DefaultMaxConcurrentSnapshots.
	MaxConcurrentSnapshots int
	// Quota bounds what one member may have in the ledger for each route, unless its
	// description asks for another bound. 0 means DefaultMaxObjects and
	// DefaultMaxLedgerBytes, less than 0 no bound.
	Quota Quota
	// NameHold is how long another cluster has to answer under a member's name
	// before it gets the name. Then sinks are told that all that is known of the one
	// before is deleted. 0 means fleet.DefaultNameHold, less than 0 at once.
	NameHold time.Duration
	// ExtraWatches is how many routes may have a watch of their own in each stream of
	// a member, because they are behind. 0 means DefaultExtraWatches.
	ExtraWatches int
	// MaxStreams is how many streams a member may have because of wildcards, those of
	// specs that name a resource counted in. 0 means DefaultMaxStreams, less than 0 no
	// bound.
	MaxStreams int
	// UserAgent is what the members' API servers log.
	UserAgent string
}

// Queue is where the changes go; stage.NewQueue makes one. Any goroutine may call its
// methods. Once a change is acked, the memory of its Object is used for another one.
type Queue interface {
	// Offer blocks while the cluster's lane is full. It fails when ctx ends or
	// when no change of the cluster will be taken any more.
	Offer(ctx context.Context, c *pipeline.Change, priority int) error
	// TryOffer fails with queue.ErrFull where Offer would block.
	TryOffer(c *pipeline.Change, priority int) error
	// WaitRoom returns when the cluster's lane has room, or ctx ends, or no change
	// of the cluster will be taken any more.
	WaitRoom(ctx context.Context, cluster string) error
	// RemoveCluster drops what waits of a cluster. It returns when none of its changes
	// is in work any more, or with an error when ctx ends: after a few seconds, as the
	// cluster may return. What is in work then must be done, as ever, before a newer change
	// of its key is handed out.
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
	// Rules say what the route selects, and in which form, beside Options.Rules. nil:
	// everything, as it is. Other rules than before are another selection or form: what the
	// ledger knows is compared with it once.
	Rules *selection.Rules
}

// Options say what a Sources works with.
type Options struct {
	Config Config
	Specs  []Spec // followed in every member
	// Excluded are resources that no wildcard among Specs stands for. ParseExclusions
	// makes them of text.
	Excluded []Spec
	Routes   []Route // at least one
	// Rules hold for all routes. What API servers can select by them they are asked to.
	Rules *selection.Rules
	// RuleKeys are the keys for the rules that Specs have.
	RuleKeys selection.ParseOptions
	// Ledger remembers what the routes' sinks have accepted. The caller runs and closes
	// it. Nil means one in memory that the Sources runs itself: after a restart
	// everything is delivered again, and what was deleted meanwhile is not reported.
	Ledger *Ledger
	// Term is that of the process, see pipeline.Origin. One below the highest that the
	// ledger knows counts as that; 0 without any means 1.
	Term uint64
	// Limit is called with the limits that a member's description asks for, when
	// it joins and when its description changes, in the order of the changes.
	// It must not block, nor call the Sources, which are locked meanwhile.
	// Optional.
	Limit func(cluster string, l fleet.Limits)
	// Removed is called once nothing of a member is left but, after a few seconds, what a
	// sink that is down or hangs has in work. It is called from the member's own goroutine,
	// and must not block for long. Optional.
	Removed func(cluster string)
	Log     logr.Logger
}

// Sources follows the members it is told of. It is a fleet.Handler.
type Sources struct {
	*roster[*member]

	o          options
	named      []Spec // of Specs
	wildcards  []Spec // likewise
	snapshots  *semaphore.Weighted
	claims     *stream.Claims
	buffers    wire.Buffers
	reconnects *connection.ReconnectLimiter
	twins      *twins
	rules      map[Spec]*selection.Rules // for all routes, by what Options.Specs say of rules
	invalid    error                     // why Run cannot
	paused     Paused                    // guarded by the lock of the roster
	throttles  throttles                 // likewise
}

// member is one cluster from its Set to the end of its removal.
type member struct {
	resident

	// Guarded by the lock of the roster:
	streams  []*stream.Stream // of conn; never changed in place
	survey   *stream.Survey   // of what wildcards stand for; nil: there are none
	retiring map[string]bool  // the routes for which cursors are being retired

	redelivering sync.WaitGroup // counts calls of Redeliver
	claims       claims
}

// options are Options, with the ledger itself in the place of its handle.
type options struct {
	Options
	Ledger *ledger.Ledger
}

// New returns a Sources without members. It starts nothing.
func New(given Options) *Sources {
	o := options{Options: given}
	o.Config = o.Config.WithDefaults()
	if given.Ledger != nil {
		o.Ledger = ledger.Of(given.Ledger)
	} else {
		o.Ledger = inMemory(given)
	}
	o.Term = max(o.Term, o.Ledger.Term(), 1)
	s := &Sources{
		o:          o,
		snapshots:  semaphore.NewWeighted(int64(max(o.Config.MaxConcurrentSnapshots, 1))),
		claims:     stream.NewClaims(),
		reconnects: connection.NewReconnectLimiter(o.Config.Connection.ReconnectMax),
		twins:      newTwins(o.Log),
		invalid:    o.Config.Validate(),
		rules:      map[Spec]*selection.Rules{},
	}
	for _, spec := range o.Specs {
		own, err := selection.Parse(spec.Rules(), o.RuleKeys)
		s.invalid = errors.Join(s.invalid, err)
		s.rules[spec.OnlyRules()] = selection.Merge(o.Rules, own)
	}
	s.named, s.wildcards = stream.Split(o.Specs)
	s.roster = newRoster(o.Log, s)
	return s
}

// Run follows the members, those set before and those set while it runs, until
// ctx ends, then waits for all of them. It can be called once. The only error before ctx
// ends is a Config that does not validate.
func (s *Sources) Run(ctx context.Context) error {
	if s.invalid != nil {
		return s.invalid
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() { s.lookAtUnwatched(ctx) })
	if s.o.Options.Ledger == nil { // nobody else does
		wg.Go(func() { _ = s.o.Ledger.Run(ctx) }) // in memory: it cannot fail
	}
	return s.children.Run(ctx)
}

// Set adds a member or gives one that is there a new configuration. A new
// configuration keeps the lane and what was delivered: nothing is replayed. A
// member that is being removed starts anew once that is done.
func (s *Sources) Set(m fleet.Member) { s.set(m) }

// Remove takes a member out. It returns at once; what the member holds is
// freed when its changes in work are done, or after a few seconds but for these.
func (s *Sources) Remove(name string) { s.remove(name) }

// MemberStatus is where one member stands.
type MemberStatus struct {
	Source     string // where its configuration came from
	Connection ConnectionStatus
	// SameAs are the other members that are the same cluster, SameSince when the
	// last of all became known as such.
	SameAs    []string
	SameSince time.Time
	Streams   []StreamStatus
	Survey    *SurveyStatus // of what wildcards stand for; nil: there are none
}

// Status tells of all members, by name.
func (s *Sources) Status() []MemberStatus {
	type parts struct {
		source  string
		conn    *connection.Connection
		streams []*stream.Stream
		survey  *stream.Survey
	}
	s.mu.Lock()
	members := make([]parts, 0, len(s.members))
	for _, name := range slices.Sorted(maps.Keys(s.members)) {
		r := s.members[name]
		members = append(members, parts{r.config.Source, r.conn, r.streams, r.survey})
	}
	s.mu.Unlock()

	status := make([]MemberStatus, 0, len(members))
	for _, r := range members {
		m := MemberStatus{Source: r.source, Connection: r.conn.Status()}
		m.SameAs, m.SameSince = s.twins.of(m.Connection.Cluster)
		for _, st := range r.streams {
			m.Streams = append(m.Streams, st.Status())
		}
		if r.survey != nil {
			m.Survey = new(r.survey.Status())
		}
		status = append(status, m)
	}
	return status
}
