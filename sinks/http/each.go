package httpsink

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// errNotTried is of a change for which no request was made.
var errNotTried = errors.New("not tried, because an earlier request failed")

// round is a batch that is sent one change at a time.
type round struct {
	batch []*pipeline.Change
	runs  [][]int // the changes of each object, in order
	errs  []error // what became of each; written by who has its run
	next  atomic.Int64
	stop  atomic.Bool // no other change will be accepted
}

// each sends a request for each change: several at once where connections are free, and
// those of one object one after the other.
func (s *Sink) each(ctx context.Context, batch []*pipeline.Change) error {
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("POST %s: %w", s.target, context.Cause(ctx))
	}
	r := &round{batch: batch, runs: runsOf(batch), errs: make([]error, len(batch))}
	for i := range r.errs {
		r.errs[i] = errNotTried
	}
	var helpers sync.WaitGroup
	for range min(len(r.runs), cap(s.slots)) - 1 {
		select {
		case s.slots <- struct{}{}:
			helpers.Go(func() { s.work(ctx, r) })
			continue
		default: // another Write has it
		}
		break
	}
	s.work(ctx, r)
	helpers.Wait()
	return r.result()
}

// runsOf sorts a batch by objects.
func runsOf(batch []*pipeline.Change) [][]int {
	if len(batch) == 1 {
		return [][]int{{0}}
	}
	runs := make([][]int, 0, len(batch))
	all := make([]int, len(batch)) // most objects have one change
	of := make(map[pipeline.Key]int, len(batch))
	for i, c := range batch {
		all[i] = i
		if at, ok := of[c.Key]; ok {
			runs[at] = append(runs[at], i)
			continue
		}
		of[c.Key] = len(runs)
		runs = append(runs, all[i:i+1:i+1])
	}
	return runs
}

// work sends runs until there are none, and gives its connection back.
func (s *Sink) work(ctx context.Context, r *round) {
	defer func() { <-s.slots }()
	for !r.stop.Load() {
		at := int(r.next.Add(1)) - 1
		if at >= len(r.runs) {
			return
		}
		for j, i := range r.runs[at] {
			err := s.one(ctx, r.batch[i])
			r.errs[i] = err
			if err == nil || pipeline.IsPermanent(err) {
				continue
			}
			for _, later := range r.runs[at][j+1:] {
				r.errs[later] = err
			}
			if concernsDestination(err) {
				r.stop.Store(true)
			}
			break
		}
	}
}

// one sends one change.
func (s *Sink) one(ctx context.Context, c *pipeline.Change) error {
	d := s.draft()
	defer s.drop(d)
	body, err := s.append(d.body, c)
	if err != nil {
		return err
	}
	d.body = body
	refused, err := s.post(ctx, d, []*pipeline.Change{c})
	if err == nil {
		err = refused[0]
	}
	return err
}

// result is what Write returns. As long as some change was settled, those that were not
// are named, so that what was accepted is not sent again with them.
func (r *round) result() error {
	failed := map[int]error{}
	var reason error
	settled := 0
	for i, err := range r.errs {
		if err != nil {
			failed[i] = err
		}
		if !concernsDestination(err) {
			settled++
		} else if reason == nil || errors.Is(reason, errNotTried) {
			reason = err
		}
	}
	switch {
	case len(failed) == 0:
		return nil
	case settled == 0:
		return reason
	}
	for i, err := range failed {
		if errors.Is(err, errNotTried) {
			failed[i] = reason
		}
	}
	return &pipeline.BatchError{Failed: failed}
}
