package sources

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/go-logr/logr"
	"golang.org/x/sync/semaphore"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/supervise"
	"github.com/fairlead-dev/fairlead/sources/connection"
	"github.com/fairlead-dev/fairlead/sources/fleet"
	"github.com/fairlead-dev/fairlead/sources/stream"
)

// Config tunes how members are followed.
type Config struct {
	Connection connection.Config
	Stream     stream.Config
	// MaxConcurrentSnapshots is how many snapshots may start at once across
	// the fleet; at least 1.
	MaxConcurrentSnapshots int
	// UserAgent is what the members' API servers log.
	UserAgent string
}

// Queue is where the changes go. RemoveCluster drops what waits of a cluster
// and returns when none of its changes is in work any more.
type Queue interface {
	stream.Offerer
	RemoveCluster(ctx context.Context, cluster string) error
}

// Options say what a Sources works with.
type Options struct {
	Config Config
	Specs  []stream.Spec // followed in every member
	Queue  Queue
	Ledger *ledger.Ledger
	// Limit is called with the limits that a member's description asks for, when
	// it joins and when its description changes. It must not block. Optional.
	Limit func(cluster string, l fleet.Limits)
	// Removed is called once nothing of a member is left. It must not block.
	// Optional.
	Removed func(cluster string)
	Log     logr.Logger
}

// Sources follows the members it is told of. It is a fleet.Handler.
type Sources struct {
	o         Options
	snapshots *semaphore.Weighted
	claims    *stream.Claims
	children  *supervise.Set // one per member

	mu      sync.Mutex
	members map[string]*member
}

// member is one cluster from its Set to the end of its removal.
type member struct {
	name    string
	source  string
	conn    *connection.Connection
	streams []*stream.Stream
	leave   chan struct{} // closed when it is to be removed

	// Guarded by Sources.mu:
	fingerprint string // of the configuration in use
	leaving     bool
	next        *fleet.Member // set again while leaving
}

// New returns a Sources without members. It starts nothing.
func New(o Options) *Sources {
	return &Sources{
		o:         o,
		snapshots: semaphore.NewWeighted(int64(o.Config.MaxConcurrentSnapshots)),
		claims:    stream.NewClaims(),
		children:  supervise.NewSet(o.Log, supervise.Options{}),
		members:   map[string]*member{},
	}
}

// Run follows the members, those set before and those set while it runs, until
// ctx ends, then waits for all of them. It can be called once.
func (s *Sources) Run(ctx context.Context) error { return s.children.Run(ctx) }

// Set adds a member or gives one that is there a new configuration. A new
// configuration keeps the lane and what was delivered: nothing is replayed.
func (s *Sources) Set(m fleet.Member) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.members[m.Name]
	switch {
	case !ok:
		s.startLocked(m)
	case r.leaving:
		r.next = &m
	default:
		s.updateLocked(r, m)
	}
}

// Remove takes a member out. It returns at once; what the member holds is
// freed when its changes in work are done.
func (s *Sources) Remove(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.members[name]
	if !ok {
		return
	}
	r.next = nil
	if !r.leaving {
		r.leaving = true
		close(r.leave)
	}
}

func (s *Sources) startLocked(m fleet.Member) {
	conn, err := connection.New(connection.Options{
		Cluster:   m.Name,
		REST:      m.REST,
		Config:    s.o.Config.Connection,
		UserAgent: s.o.Config.UserAgent,
		Log:       s.o.Log,
	})
	if err != nil {
		// Only a Config that was never validated or a nameless member.
		s.o.Log.Error(err, "Cannot follow a cluster", "cluster", m.Name)
		return
	}
	r := &member{name: m.Name, source: m.Source, fingerprint: m.Fingerprint, leave: make(chan struct{}), conn: conn}
	s.limitLocked(r, m.Limits)
	for _, spec := range s.o.Specs {
		r.streams = append(r.streams, stream.New(stream.Options{
			Cluster:    m.Name,
			Spec:       spec,
			Config:     s.o.Config.Stream,
			Connection: r.conn,
			Offerer:    s.o.Queue,
			Ledger:     s.o.Ledger,
			Snapshots:  s.snapshots,
			Claims:     s.claims,
			Log:        s.o.Log,
		}))
	}
	s.members[m.Name] = r
	s.o.Ledger.Join(m.Name)
	s.children.Start(m.Name, func(ctx context.Context) error { return s.follow(ctx, r) })
}

// follow runs a member's connection and streams until it is removed or ctx
// ends. After a removal, nothing of the member is left when it returns.
func (s *Sources) follow(ctx context.Context, r *member) error {
	children := supervise.NewSet(s.o.Log.WithValues("cluster", r.name), supervise.Options{})
	children.Start("connection", r.conn.Run)
	for _, st := range r.streams {
		children.Start(st.Status().Stream, st.Run)
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	var wg sync.WaitGroup
	wg.Go(func() {
		// Ends when it is told to, and then without an error.
		_ = children.Run(running)
	})
	select {
	case <-ctx.Done():
	case <-r.leave:
	}
	stop()
	wg.Wait()
	if ctx.Err() != nil {
		return nil
	}
	if err := s.o.Queue.RemoveCluster(ctx, r.name); err != nil {
		return nil // ctx ended: the whole fleet is stopping
	}
	s.o.Ledger.Leave(r.name)
	s.removed(r)
	return nil
}

func (s *Sources) removed(r *member) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.members, r.name)
	if s.o.Removed != nil {
		s.o.Removed(r.name)
	}
	if r.next != nil {
		s.startLocked(*r.next)
	}
}

// MemberStatus is where one member stands.
type MemberStatus struct {
	Source     string // where its configuration came from
	Connection connection.Status
	Streams    []stream.Status
}

// Status tells of all members, by name.
func (s *Sources) Status() []MemberStatus {
	members := s.snapshot()
	status := make([]MemberStatus, 0, len(members))
	for _, r := range members {
		m := MemberStatus{Source: r.source, Connection: r.conn.Status()}
		for _, st := range r.streams {
			m.Streams = append(m.Streams, st.Status())
		}
		status = append(status, m)
	}
	return status
}

// snapshot returns the members sorted by name.
func (s *Sources) snapshot() []*member {
	s.mu.Lock()
	defer s.mu.Unlock()
	members := make([]*member, 0, len(s.members))
	for _, r := range s.members {
		members = append(members, r)
	}
	slices.SortFunc(members, func(a, b *member) int { return strings.Compare(a.name, b.name) })
	return members
}
