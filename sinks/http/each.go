package httpsink

import (
	"context"
	"math"
	"sync"
	"sync/atomic"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// each sends a request for each change: several at once where connections are free, and
// those of one object one after the other. The caller has a slot.
func (s *Sink) each(ctx context.Context, batch []*pipeline.Change) error {
	r := s.begin(batch)
	runs := runsOf(batch, placesOf(batch))
	var next atomic.Int64
	work := func() {
		for !r.over() {
			at := int(next.Add(1)) - 1
			if at >= len(runs) {
				return
			}
			for _, i := range runs[at] {
				if !s.one(ctx, r, i) {
					break
				}
			}
		}
	}
	var helpers sync.WaitGroup
	for range min(len(runs), cap(s.slots)) - 1 {
		select {
		case s.slots <- struct{}{}:
			helpers.Go(func() {
				defer func() { <-s.slots }()
				work()
			})
			continue
		default: // another Write has it
		}
		break
	}
	work()
	helpers.Wait()
	return s.result(r)
}

// one sends one change, and reports whether the next one of its object may be sent.
func (s *Sink) one(ctx context.Context, r *round, i int) bool {
	d := s.draft()
	defer s.drop(d)
	if err := s.add(d, r.batch[i]); err != nil {
		r.refuse(i, err)
		return pipeline.IsPermanent(err)
	}
	at := []int{i}
	refused, err := s.post(ctx, d, r.batch[i:i+1])
	if err == nil {
		err = refused[0]
	}
	if err == nil || pipeline.IsPermanent(err) {
		r.answered(at, map[int]error{0: err})
		return true
	}
	bears := r.bears
	switch aboutOf(err) {
	case ofDestination:
		bears = 0
	case ofChange:
		bears = math.MaxInt // all others are tried
	case ofEither:
	}
	r.fail(at, err, bears)
	return false
}
