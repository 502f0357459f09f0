package sources

import (
	"context"
	"fmt"
	"sync"

	"github.com/go-logr/logr"

	"github.com/fairlead-dev/fairlead/internal/memberstatus"
	"github.com/fairlead-dev/fairlead/internal/supervise"
	"github.com/fairlead-dev/fairlead/sources/connection"
	"github.com/fairlead-dev/fairlead/sources/fleet"
)

// roster is the life of a fleet's members, from the Set of each until nothing of it
// is left. What a member consists of is its keeper's.
//
//	set ──▶ connect ──▶ run until it is removed ──▶ drain ──▶ removed
//	           ▲  └── its connection has failed ──┐   └── set again meanwhile ──┐
//	           └──────────────────────────────────┴───────────────────────────┘
//
// M is a pointer to what embeds a resident. One goroutine per member, of children,
// goes through this.
type roster[M resides] struct {
	log      logr.Logger
	keeper   keeper[M]
	children *supervise.Set // one per member

	mu      sync.Mutex
	members map[string]M
}

// keeper has the members of a roster. Methods whose names end in Locked are called
// with the roster's lock, and must neither block nor call the roster.
type keeper[M resides] interface {
	// newMember returns a member. The roster fills in its resident.
	newMember() M
	// connectLocked gives a member a connection that has not run, its limits and what
	// else goes with a connection.
	connectLocked(m M) error
	// limitLocked has a member's limits be what its description says.
	limitLocked(m M)
	// start starts what runs beside a member's connection. It is called in the
	// member's goroutine, before anything runs.
	start(m M, children *supervise.Set)
	// drain returns once nothing of a removed member is left that keeps it from being set
	// again, or with an error when ctx ends. It is called in the member's goroutine, when
	// nothing runs.
	drain(ctx context.Context, m M) error
	// removedLocked says that a member has left. It may be set again at once.
	removedLocked(name string)
}

// resident is what every member of a roster has. All but its name is guarded by the
// roster's lock.
type resident struct {
	name     string
	config   fleet.Member
	conn     *connection.Connection
	used     bool            // conn has run
	children *supervise.Set  // nil: nothing runs
	leaving  bool            // it was removed
	ends     map[*int]func() // called when it is; they must not block
	next     *fleet.Member   // set again while leaving

	throttled memberstatus.Throttling[*queueLimiter] // of Caches.Conditions
}

type resides interface{ resides() *resident }

func (r *resident) resides() *resident { return r }

// whenLeavingLocked has end called when the member is removed, at once if it has
// been, unless forgetLocked is called before. end must not block.
func (r *resident) whenLeavingLocked(end func()) (forgetLocked func()) {
	if r.leaving {
		end()
		return func() {}
	}
	id := new(int)
	r.ends[id] = end
	return func() { delete(r.ends, id) }
}

func newRoster[M resides](log logr.Logger, k keeper[M]) *roster[M] {
	return &roster[M]{log: log, keeper: k, children: supervise.NewSet(log, supervise.Options{}), members: map[string]M{}}
}

// set adds a member, or gives one that is there a new description. One that is
// leaving starts anew once it has left.
func (o *roster[M]) set(description fleet.Member) {
	o.mu.Lock()
	defer o.mu.Unlock()
	m, ok := o.members[description.Name]
	if !ok {
		o.startLocked(description)
		return
	}
	r := m.resides()
	if r.leaving {
		r.next = &description
		return
	}
	same := description.Fingerprint != "" && description.Fingerprint == r.config.Fingerprint
	r.config = description
	if !same { // else its limits and labels may have changed, which do not touch the connection
		r.conn.SetREST(description.REST)
	}
	o.keeper.limitLocked(m)
}

// remove takes a member out. It returns at once.
func (o *roster[M]) remove(name string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	m, ok := o.members[name]
	if !ok {
		return
	}
	r := m.resides()
	r.next = nil
	r.leaving = true
	for _, end := range r.ends {
		end()
	}
	clear(r.ends)
}

func (o *roster[M]) startLocked(description fleet.Member) {
	m := o.keeper.newMember()
	*m.resides() = resident{name: description.Name, config: description, ends: map[*int]func(){}}
	if err := o.keeper.connectLocked(m); err != nil {
		// Only a configuration that was never validated, or a nameless member.
		o.log.Error(err, "Cannot follow a cluster", "cluster", description.Name)
		return
	}
	o.members[description.Name] = m
	o.children.Start(description.Name, func(ctx context.Context) error { return o.follow(ctx, m) })
}

// begin returns the connection to run. A connection runs once: after one that has
// failed comes another one.
func (o *roster[M]) begin(m M) (*connection.Connection, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	r := m.resides()
	if r.used {
		if err := o.keeper.connectLocked(m); err != nil {
			return nil, err
		}
	}
	r.used = true
	return r.conn, nil
}

// follow runs a member until it is removed or ctx ends. After a removal, nothing of
// the member is left when it returns. It fails if the connection does; then it is to
// be called again.
func (o *roster[M]) follow(ctx context.Context, m M) error {
	name := m.resides().name
	conn, err := o.begin(m)
	if err != nil {
		return err
	}
	running, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	children := supervise.NewSet(o.log.WithValues("cluster", name), supervise.Options{})
	children.Start("connection", func(ctx context.Context) error {
		if err := conn.Run(ctx); err != nil && ctx.Err() == nil {
			stop(err) // for one, because it has panicked before
		}
		return nil
	})
	o.keeper.start(m, children)
	forgetLocked := o.runs(m, children, func() { stop(nil) })
	_ = children.Run(running) // ends when it is told to, and then without an error
	leaving := o.ended(m, forgetLocked)
	switch {
	case ctx.Err() != nil:
		return nil
	case !leaving:
		return fmt.Errorf("the connection has ended: %w", context.Cause(running))
	}
	if err := o.keeper.drain(ctx, m); err != nil {
		return nil // ctx ended: the whole fleet is stopping
	}
	o.removed(m)
	return nil
}

// runs says what runs of a member from now on, and what ends it.
func (o *roster[M]) runs(m M, children *supervise.Set, stop func()) (forgetLocked func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	r := m.resides()
	r.children = children
	return r.whenLeavingLocked(stop)
}

// ended says that nothing runs any more, and reports whether the member is leaving.
func (o *roster[M]) ended(m M, forgetLocked func()) (leaving bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	r := m.resides()
	r.children = nil
	forgetLocked()
	return r.leaving
}

// removed ends the life of a member, and begins the next one of its name.
func (o *roster[M]) removed(m M) {
	o.mu.Lock()
	defer o.mu.Unlock()
	r := m.resides()
	delete(o.members, r.name)
	o.keeper.removedLocked(r.name)
	if r.next != nil {
		o.startLocked(*r.next)
	}
}

// presentLocked returns a member that is not leaving.
func (o *roster[M]) presentLocked(name string) (m M, ok bool) {
	m, ok = o.members[name]
	return m, ok && !m.resides().leaving
}
