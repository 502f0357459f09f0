package sources

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/supervise"
	"github.com/fairlead-dev/fairlead/sources/connection"
	"github.com/fairlead-dev/fairlead/sources/fleet"
	"github.com/fairlead-dev/fairlead/sources/stream"
)

func (s *Sources) startLocked(m fleet.Member) {
	r := &member{name: m.Name, config: m, leave: func() {}, leaves: map[string]bool{}, retries: map[*int]context.CancelFunc{}}
	if err := s.makeLocked(r); err != nil {
		// Only a Config that was never validated or a nameless member.
		s.o.Log.Error(err, "Cannot follow a cluster", "cluster", m.Name)
		return
	}
	s.members[m.Name] = r
	s.children.Start(m.Name, func(ctx context.Context) error { return s.follow(ctx, r) })
}

// makeLocked gives a member a connection and streams that have not run.
func (s *Sources) makeLocked(r *member) error {
	conn, err := connection.New(connection.Options{
		Cluster:   r.name,
		REST:      r.config.REST,
		Config:    s.o.Config.Connection,
		UserAgent: s.o.Config.UserAgent,
		Pace:      s.pace,
		Known:     s.o.Ledger,
		Hold:      max(s.o.Config.NameHold, 0),
		Log:       s.o.Log,

		Identified: func(uid string) { s.twins.identified(r.name, uid) },
	})
	if err != nil {
		return err
	}
	r.conn, r.streams, r.used = conn, nil, false
	s.limitLocked(r)
	for i, spec := range s.o.Specs {
		r.streams = append(r.streams, stream.New(stream.Options{
			Cluster:      r.name,
			Spec:         spec,
			Earlier:      s.o.Specs[:i],
			Later:        s.o.Specs[i+1:],
			Claimed:      func(ids []ledger.StreamID) { s.claimed(r, i, ids) },
			Config:       s.o.Config.Stream,
			Connection:   conn,
			Routes:       s.routes(),
			Ledger:       s.o.Ledger,
			Term:         s.o.Term,
			ExtraWatches: s.o.Config.ExtraWatches,
			Snapshots:    s.snapshots,
			Claims:       s.claims,
			Buffers:      &s.buffers,
			Log:          s.o.Log,
		}))
	}
	return nil
}

// begin returns what is to run of a member until leave is called. A connection
// runs once: after one that has failed comes another one.
func (s *Sources) begin(r *member, leave func()) (*connection.Connection, []*stream.Stream, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.used {
		if err := s.makeLocked(r); err != nil {
			return nil, nil, err
		}
	}
	r.used = true
	if r.leave = leave; r.leaving {
		leave()
	}
	return r.conn, r.streams, nil
}

// follow runs a member's connection and streams until it is removed or ctx
// ends. After a removal, nothing of the member is left when it returns. It
// fails if the connection does; then it is to be called again.
func (s *Sources) follow(ctx context.Context, r *member) error {
	running, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	conn, streams, err := s.begin(r, func() { stop(nil) })
	if err != nil {
		return err
	}
	s.o.Ledger.Join(r.name)
	children := supervise.NewSet(s.o.Log.WithValues("cluster", r.name), supervise.Options{})
	children.Start("connection", func(ctx context.Context) error {
		if err := conn.Run(ctx); err != nil && ctx.Err() == nil {
			stop(err) // for one, because it has panicked before
		}
		return nil
	})
	for _, st := range streams {
		children.Start("stream "+st.Name(), st.Run)
	}
	s.setChildren(r, children)
	// Ends when it is told to, and then without an error.
	_ = children.Run(running)
	s.setChildren(r, nil)
	switch {
	case ctx.Err() != nil:
		return nil
	case !s.isLeaving(r):
		return fmt.Errorf("the connection has ended: %w", context.Cause(running))
	}
	r.retrying.Wait()           // what they offer goes with the lane
	var removals errgroup.Group // each waits for its sink
	for _, route := range s.o.Routes {
		removals.Go(func() error { return route.Queue.RemoveCluster(ctx, r.name) })
	}
	if removals.Wait() != nil {
		return nil // ctx ended: the whole fleet is stopping
	}
	s.o.Ledger.Leave(r.name)
	s.twins.left(r.name)
	if s.o.Removed != nil {
		s.o.Removed(r.name)
	}
	s.removed(r)
	return nil
}

func (s *Sources) routes() []stream.Route {
	all := make([]stream.Route, len(s.o.Routes))
	for i, r := range s.o.Routes {
		all[i] = stream.Route{Name: r.Name, Queue: r.Queue, Memory: r.Memory}
	}
	return all
}

func (s *Sources) isLeaving(r *member) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return r.leaving
}

func (s *Sources) removed(r *member) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.members, r.name)
	if r.next != nil {
		s.startLocked(*r.next)
	}
}
