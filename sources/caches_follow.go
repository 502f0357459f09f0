package sources

import (
	"context"
	"fmt"
	"sync"

	"github.com/fairlead-dev/fairlead/internal/supervise"
	"github.com/fairlead-dev/fairlead/sources/connection"
	"github.com/fairlead-dev/fairlead/sources/fleet"
)

// cachedMember is one cluster from its Set to the end of its removal.
type cachedMember struct {
	name  string
	leave chan struct{} // closed when it is to be removed

	// Guarded by Caches.mu:
	config  fleet.Member
	conn    *connection.Connection
	used    bool // conn has run
	leaving bool
	next    *fleet.Member // set again while leaving
}

func (c *Caches) startLocked(m fleet.Member) {
	r := &cachedMember{name: m.Name, config: m, leave: make(chan struct{})}
	if err := c.connectLocked(r); err != nil { // only a nameless member
		c.o.Log.Error(err, "Cannot keep caches of a cluster", "cluster", m.Name)
		return
	}
	c.members[m.Name] = r
	c.children.Start(m.Name, func(ctx context.Context) error { return c.follow(ctx, r) })
}

// connectLocked gives a member a connection that has not run.
func (c *Caches) connectLocked(r *cachedMember) error {
	conn, err := connection.New(connection.Options{
		Cluster:          r.name,
		REST:             r.config.REST,
		Config:           c.o.Connection,
		UserAgent:        c.o.UserAgent,
		ReconnectLimiter: c.reconnects,
		Log:              c.o.Log,
	})
	if err != nil {
		return err
	}
	r.conn, r.used = conn, false
	c.limitLocked(r)
	return nil
}

// updateLocked gives a member what its description says now. One with
// other limits or labels only does not touch the connection.
func (c *Caches) updateLocked(r *cachedMember, m fleet.Member) {
	same := m.Fingerprint != "" && m.Fingerprint == r.config.Fingerprint
	r.config = m
	if !same {
		r.conn.SetREST(m.REST)
	}
	c.limitLocked(r)
}

// begin returns the connection to run. A connection runs once: after one that
// has failed comes another one.
func (c *Caches) begin(r *cachedMember) (*connection.Connection, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.used {
		if err := c.connectLocked(r); err != nil {
			return nil, err
		}
	}
	r.used = true
	return r.conn, nil
}

// follow runs a member's connection and caches until it is removed or ctx
// ends. After a removal, nothing of the member is left when it returns. It
// fails if the connection does; then it is to be called again.
func (c *Caches) follow(ctx context.Context, r *cachedMember) error {
	conn, err := c.begin(r)
	if err != nil {
		return err
	}
	children := supervise.NewSet(c.o.Log.WithValues("cluster", r.name), supervise.Options{})
	failed := make(chan error, 1)
	children.Start("connection", func(ctx context.Context) error {
		err := conn.Run(ctx)
		if err != nil && ctx.Err() == nil {
			failed <- err // for one, because it has panicked before
		}
		return nil
	})
	children.Start("caches", func(ctx context.Context) error { return c.Follow(ctx, r.name, conn) })
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
	case err = <-failed:
	}
	stop()
	wg.Wait()
	switch {
	case ctx.Err() != nil:
		return nil
	case err != nil:
		return fmt.Errorf("the connection has ended: %w", err)
	}
	if err := c.Purge(ctx, r.name); err != nil {
		return nil // ctx ended: the whole fleet is stopping
	}
	if c.o.Removed != nil {
		c.o.Removed(r.name)
	}
	c.removed(r)
	return nil
}

func (c *Caches) removed(r *cachedMember) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.members, r.name)
	for l := range c.limiters {
		l.forget(r.name)
	}
	c.SetLabels(r.name, nil)
	if r.next != nil {
		c.startLocked(*r.next)
	}
}
