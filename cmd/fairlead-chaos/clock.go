package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

const (
	clockPoll = 10 * time.Millisecond

	// clockPatience is how long no write may be done until whoever waits for one
	// stops waiting: a fault that holds up the writers must end all the same.
	clockPatience = 4 * time.Second
)

// clock counts writes: the plan's time.
type clock struct {
	writes atomic.Int64

	stopped  chan struct{} // closed when there will be no more
	stopOnce sync.Once
}

func newClock() *clock { return &clock{stopped: make(chan struct{})} }

// tick counts a write and returns its number.
func (c *clock) tick() int { return int(c.writes.Add(1)) }

func (c *clock) now() int { return int(c.writes.Load()) }

// stop says that there will be no more writes.
func (c *clock) stop() { c.stopOnce.Do(func() { close(c.stopped) }) }

// over reports whether there will be no more.
func (c *clock) over() bool {
	select {
	case <-c.stopped:
		return true
	default:
		return false
	}
}

// wait returns when so many writes are done, or nothing is to be waited for any
// more. It fails only when ctx ends.
func (c *clock) wait(ctx context.Context, writes int) error {
	return c.waitOr(ctx, writes, nil)
}

// waitOr is wait that also returns when done is closed.
func (c *clock) waitOr(ctx context.Context, writes int, done <-chan struct{}) error {
	ticker := time.NewTicker(clockPoll)
	defer ticker.Stop()
	last, since := c.now(), time.Now()
	for {
		now := c.now()
		if now >= writes {
			return nil
		}
		if now != last {
			last, since = now, time.Now()
		}
		if time.Since(since) >= clockPatience {
			return nil
		}
		select {
		case <-ticker.C:
		case <-done:
			return nil
		case <-c.stopped:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
