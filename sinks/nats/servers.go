package nats

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// leave has the server after this one asked next, unless that is so already.
func (c *connector) leave(server uint32) { c.server.CompareAndSwap(server, server+1) }

// connect connects to the first server that takes the connection and is of use. Each has
// its share of the time that is left, so that one that swallows what it is sent does not
// keep the others from being asked.
func (c *connector) connect(ctx context.Context) (*connection, error) {
	ctx, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	var errs []error
	for left := len(c.o.Servers); left > 0 && ctx.Err() == nil; left-- {
		at := c.server.Load()
		server := c.o.Servers[int(at)%len(c.o.Servers)]
		conn, err := c.try(ctx, server, left)
		if err == nil {
			c.metrics.made.Inc()
			conn.server = at
			return conn, nil
		}
		c.metrics.refused.Inc()
		c.leave(at)
		errs = append(errs, fmt.Errorf("connect to %s: %w", server, err))
	}
	return nil, errors.Join(append(errs, ctx.Err())...)
}

// try connects to a server, and prepares what the connection is for.
func (c *connector) try(ctx context.Context, server string, left int) (*connection, error) {
	end, _ := ctx.Deadline()
	share := time.Until(end) / time.Duration(left)
	limited, cancel := context.WithTimeout(ctx, min(share, dialTimeout))
	defer cancel()
	conn, err := c.connectTo(limited, server)
	if err != nil {
		if limited.Err() != nil && ctx.Err() == nil {
			return nil, fmt.Errorf("no connection within %s", min(share, dialTimeout).Round(time.Millisecond))
		}
		return nil, err
	}
	limited, cancel = context.WithTimeout(ctx, share)
	defer cancel()
	if err := conn.while(limited, func(ctx context.Context) error { return c.prepare(ctx, conn) }); err != nil {
		conn.close()
		return nil, err
	}
	return conn, nil
}
