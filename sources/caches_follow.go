package sources

import (
	"context"

	"github.com/fairlead-dev/fairlead/internal/supervise"
	"github.com/fairlead-dev/fairlead/sources/connection"
)

func (c *Caches) newMember() *resident { return &resident{} }

// connectLocked gives a member a connection that has not run.
func (c *Caches) connectLocked(r *resident) error {
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

// start starts the caches of a member.
func (c *Caches) start(r *resident, children *supervise.Set) {
	conn := r.conn // only the member's goroutine, which this is, gives it another one
	children.Start("caches", func(ctx context.Context) error { return c.Follow(ctx, r.name, conn) })
}

// drain waits for the reconciles in work for a member, and drops what waits.
func (c *Caches) drain(ctx context.Context, r *resident) error {
	if err := c.Purge(ctx, r.name); err != nil {
		return err
	}
	if c.o.Removed != nil {
		c.o.Removed(r.name)
	}
	return nil
}

func (c *Caches) removedLocked(name string) {
	for l := range c.limiters {
		l.forget(name)
	}
	c.SetLabels(name, nil)
}
