package nats

import (
	"context"
	"errors"
	"fmt"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// rounds writes a batch so that of one object never two changes are under way: each
// round has at most one of it, and those behind one that failed are not sent. write
// notes the errors by change.
func rounds(batch []*pipeline.Change, most int, errs []error, write func(round []int)) {
	left := make([]int, len(batch))
	for i := range left {
		left[i] = i
	}
	failed := map[pipeline.Key]error{}
	for len(left) > 0 {
		seen := make(map[pipeline.Key]bool, min(len(left), most))
		var round, later []int
		for _, i := range left {
			key := batch[i].Key
			switch {
			case failed[key] != nil:
				errs[i] = failed[key]
			case seen[key] || len(round) == most:
				later = append(later, i)
			default:
				round = append(round, i)
			}
			seen[key] = true
		}
		write(round)
		for _, i := range round {
			// What can never be accepted has no place; what is behind it has.
			if err := errs[i]; err != nil && !isTooLarge(err) {
				failed[batch[i].Key] = err
			}
		}
		left = later
	}
}

// write writes a batch in rounds, within the sink's own time for a write. round writes the changes
// of some indices, which are of different objects, and notes their errors.
func (c *connector) write(ctx context.Context, batch []*pipeline.Change, round func(ctx context.Context, on *connection, of []int, errs []error)) error {
	if err := ctx.Err(); err != nil || len(batch) == 0 {
		return err
	}
	ctx, done, err := c.calls.Begin(ctx)
	if err != nil {
		return fmt.Errorf("write to NATS: %w", err)
	}
	defer done()
	limited, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	conn, err := c.get(limited)
	if err != nil {
		return c.about(ctx, err)
	}
	// A server that reads nothing holds who publishes, too.
	defer context.AfterFunc(limited, conn.dialer.cut)()
	errs := make([]error, len(batch))
	rounds(batch, c.o.MaxBatch, errs, func(of []int) { round(limited, conn, of, errs) })
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return c.settle(conn, batch, errs)
}

// settle returns what Write returns: one error if nothing was accepted and no change is
// to blame, or else the errors by change. In the first case the server is of no use for
// now, though it answers: if there are others, the next one is asked. That a later term has
// written is the error of all.
func (c *connector) settle(conn *connection, batch []*pipeline.Change, errs []error) error {
	failed := map[int]error{}
	told := map[string]error{}
	var whole error
	for i, err := range errs {
		if err == nil {
			continue
		}
		if errors.Is(err, pipeline.ErrOldTerm) {
			return c.explain(err)
		}
		if told[err.Error()] == nil {
			told[err.Error()] = c.explain(err)
		}
		if failed[i] = told[err.Error()]; !isTooLarge(err) && whole == nil {
			whole = failed[i]
		}
	}
	switch {
	case len(failed) == 0:
		return nil
	case len(failed) < len(batch) || whole == nil:
		return &pipeline.BatchError{Failed: failed}
	}
	for _, err := range errs {
		if isTooLarge(err) {
			return &pipeline.BatchError{Failed: failed}
		}
	}
	if len(c.o.Servers) > 1 {
		conn.fail(errors.New("the server accepted nothing"))
	}
	return whole
}
