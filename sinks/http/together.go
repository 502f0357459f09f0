package httpsink

import (
	"context"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// together sends all changes in one request. If the server refuses that for good, or
// fails on it as it does on single changes, it sends halves, until the change stands
// alone. What is larger than the server takes goes in several requests, one after the
// other. The caller has a slot.
func (s *Sink) together(ctx context.Context, batch []*pipeline.Change) error {
	r := s.begin(batch)
	for queue := [][]int{placesOf(batch)}; len(queue) > 0 && !r.over(); {
		queue = append(queue[1:], s.part(ctx, r, queue[0])...)
	}
	return s.result(r)
}

// part sends the changes at some places in one request, and returns the places of what is
// to be sent after all other parts. Those have changes of other objects.
func (s *Sink) part(ctx context.Context, r *round, places []int) (more [][]int) {
	d := s.draft()
	defer s.drop(d)
	d.body = append(d.body, s.wire.open...)
	at, sent := make([]int, 0, len(places)), make([]*pipeline.Change, 0, len(places))
	limit := s.limit.now()
	for j, i := range places {
		if err := r.held(i); err != nil {
			continue
		}
		before := d.end()
		if len(at) > 0 {
			d.body = append(d.body, s.wire.between...)
		}
		if err := s.add(d, r.batch[i]); err != nil {
			r.refuse(i, err)
			d.cut(before)
			continue
		}
		if len(at) > 0 && limit > 0 && d.size() > limit {
			d.cut(before)
			more = [][]int{places[j:]}
			break
		}
		at, sent = append(at, i), append(sent, r.batch[i])
	}
	if len(at) == 0 {
		return more
	}
	d.body = append(d.body, s.wire.end...)
	refused, err := s.post(ctx, d, sent)
	switch {
	case err == nil:
		s.limit.fits(d.size(), len(at))
		r.answered(at, refused)
		return more
	case pipeline.IsPermanent(err) && len(at) == 1:
		r.answered(at, map[int]error{0: err})
		return more
	case pipeline.IsPermanent(err):
		return r.halves(places)
	}
	bears := r.bears
	switch aboutOf(err) {
	case ofDestination:
		bears = 0
	case ofChange:
		bears = max(bears, suspicion-1)
	case ofEither:
	}
	r.fail(at, err, bears)
	if len(at) == 1 || r.over() {
		return more
	}
	return r.halves(places)
}
