package sources

import (
	"context"
	"sync"
	"time"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/supervise"
	"github.com/fairlead-dev/fairlead/sources/connection"
	"github.com/fairlead-dev/fairlead/sources/stream"
)

func (s *Sources) newMember() *member { return &member{} }

// connectLocked gives a member a connection and streams that have not run.
func (s *Sources) connectLocked(r *member) error {
	conn, err := connection.New(connection.Options{
		Cluster:          r.name,
		REST:             r.config.REST,
		Config:           s.o.Config.Connection,
		UserAgent:        s.o.Config.UserAgent,
		ReconnectLimiter: s.reconnects,
		Known:            s.o.Ledger,
		Hold:             max(s.o.Config.NameHold, 0),
		Log:              s.o.Log,

		Identified: func(uid string) { s.twins.identified(r.name, uid) },
	})
	if err != nil {
		return err
	}
	r.conn, r.streams, r.used = conn, nil, false
	s.limitLocked(r)
	for i, spec := range s.named {
		r.streams = append(r.streams, s.newStreamLocked(r, conn, stream.Followed{Spec: spec, Earlier: s.named[:i], Later: s.named[i+1:]}))
	}
	s.surveyLocked(r, conn)
	return nil
}

// newStreamLocked returns a stream of a member.
func (s *Sources) newStreamLocked(r *member, conn *connection.Connection, f stream.Followed) *stream.Stream {
	var st *stream.Stream
	o := stream.Options{
		Cluster:      r.name,
		Spec:         f.Spec,
		Earlier:      f.Earlier,
		Later:        f.Later,
		Claimed:      func(ids []ledger.StreamID) { s.claimed(r, st.Spec(), ids) },
		Config:       s.o.Config.Stream,
		Connection:   conn,
		Routes:       s.routes(),
		Rules:        s.rules[f.Spec.OnlyRules()],
		Labels:       r.config.Labels,
		Ledger:       s.o.Ledger,
		Term:         s.o.Term,
		ExtraWatches: s.o.Config.ExtraWatches,
		Snapshots:    s.snapshots,
		Claims:       s.claims,
		Buffers:      &s.buffers,
		Log:          s.o.Log,
	}
	if f.Wildcard.Wildcard() {
		o.Wildcard = f.Wildcard.String()
	}
	st = stream.New(o)
	s.pauseStreamLocked(r, st)
	st.SetThrottles(s.throttles.of(r.name))
	return st
}

// start starts the streams of a member.
func (s *Sources) start(r *member, children *supervise.Set) {
	s.o.Ledger.Join(r.name)
	s.mu.Lock()
	defer s.mu.Unlock()
	r.retiring = map[string]bool{} // those of before have ended, also those that never began
	for _, st := range r.streams {
		children.Start("stream "+st.Name(), st.Run)
	}
	if r.survey != nil {
		children.Start("survey", r.survey.Run)
	}
}

// drainAtMost is for how long a member that leaves waits for its changes in work: what a sink
// accepts soon is then not delivered again, should the member return. A sink that is down or
// hangs would keep it from all others.
const drainAtMost = 5 * time.Second

// drain has the lanes of a member removed, and the ledger forget what waits in it.
func (s *Sources) drain(ctx context.Context, r *member) error {
	r.redelivering.Wait() // what they offer goes with the lane
	held := s.removeLanes(ctx, r.name)
	if err := ctx.Err(); err != nil {
		return err
	}
	s.o.Ledger.Leave(r.name, held...)
	s.twins.left(r.name)
	if s.o.Removed != nil {
		s.o.Removed(r.name)
	}
	return nil
}

// removeLanes removes the lanes of a member, and returns the routes whose sinks still hold
// changes of it.
func (s *Sources) removeLanes(ctx context.Context, cluster string) (held []string) {
	ctx, cancel := context.WithTimeout(ctx, drainAtMost)
	defer cancel()
	errs := make([]error, len(s.o.Routes))
	var removals sync.WaitGroup // each waits for its sink
	for i, route := range s.o.Routes {
		removals.Go(func() { errs[i] = route.Queue.RemoveCluster(ctx, cluster) })
	}
	removals.Wait()
	for i, err := range errs {
		if err != nil {
			s.o.Log.Info("A sink still holds changes of a cluster that has left the fleet", "cluster", cluster, "route", s.o.Routes[i].Name, "reason", err.Error())
			held = append(held, s.o.Routes[i].Name)
		}
	}
	return held
}

func (s *Sources) removedLocked(string) {}

func (s *Sources) routes() []stream.Route {
	all := make([]stream.Route, len(s.o.Routes))
	for i, r := range s.o.Routes {
		all[i] = stream.Route{Name: r.Name, Queue: r.Queue, Memory: r.Memory, Rules: r.Rules}
	}
	return all
}
