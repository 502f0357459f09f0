package queue

import (
	"slices"

	"github.com/fairlead-dev/fairlead/internal/list"
	"github.com/fairlead-dev/fairlead/ratelimit"
)

// Two limits may be set over those of clusters: one on a stream, which is a part of a lane, and
// one on the whole queue. An item needs a token of each that it is under.
//
//	lane A ── events ─ bucket ─┐
//	       ── the rest ────────┴─ bucket A ─┐
//	lane B ──────────────────── bucket B ───┴─ bucket of the queue ── Get
//
// What waits of a limited stream has a line of its own in its lane, so that the others pass it:
// lines take turns. Nobody takes a token that he cannot use: the one of the lane is taken when
// the others are known to be there, and those after it. Both classes share these buckets, as
// what they spare has to take both.

// line is what waits of one limited stream of a lane.
type line[T, K comparable] struct {
	stream string
	ready  [2]list.List[*entry[T, K]] // as those of the lane
	gate   gate[T, K]
}

// SetStreamLimit limits how many items of one stream of a cluster are handed out per second,
// of both classes together, within the limits of the cluster: the others of the cluster go on.
// An unlimited one ends that. It holds also when the cluster is removed and comes back, with the
// tokens it had. It panics if the limit is not valid, or there is no Options.Stream.
func (q *Queue[T, K]) SetStreamLimit(cluster, stream string, limit ratelimit.Limit) {
	if q.o.Stream == nil {
		panic("queue: SetStreamLimit needs Options.Stream")
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	l, bucket := q.lanes[cluster], q.streams[cluster][stream]
	switch {
	case limit.QPS == 0 && bucket == nil:
	case limit.QPS == 0:
		if delete(q.streams[cluster], stream); len(q.streams[cluster]) == 0 {
			delete(q.streams, cluster)
		}
		if l != nil {
			q.endLineLocked(l, stream)
		}
	case bucket != nil:
		if bucket.Set(limit); l != nil {
			q.openAllLocked(l)
		}
	default:
		bucket = ratelimit.NewBucket(limit)
		if q.streams == nil {
			q.streams = make(map[string]map[string]*ratelimit.Bucket)
		}
		if q.streams[cluster] == nil {
			q.streams[cluster] = make(map[string]*ratelimit.Bucket)
		}
		if q.streams[cluster][stream] = bucket; l != nil {
			q.beginLineLocked(l, stream, bucket)
		}
	}
}

// SetTotalLimit limits how many items of all clusters together are handed out per second, of
// both classes; unlimited at first. The lanes take turns as ever. It panics if the limit is not
// valid.
func (q *Queue[T, K]) SetTotalLimit(limit ratelimit.Limit) {
	q.total.bucket.Set(limit)
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.total.token.set() {
		q.openLocked(&q.total, q.now())
	}
}

// mayPassLocked reports whether there is a token at a gate, without taking it, and shuts the
// gate until one is due if there is none.
func (q *Queue[T, K]) mayPassLocked(g *gate[T, K]) bool {
	if g.token.set() {
		return false
	}
	if g.bucket.Unlimited() {
		return true
	}
	now := q.now()
	wait := g.bucket.Missing(q.epoch.Add(now))
	if wait > 0 {
		q.shutGateLocked(g, now, wait)
	}
	return wait == 0
}

// lineOf returns the line of an item, nil if its stream has no limit.
func (q *Queue[T, K]) lineOf(l *lane[T, K], item *T) *line[T, K] {
	if l.lines == nil {
		return nil
	}
	stream := q.o.Stream(*item)
	for _, of := range l.lines {
		if of.stream == stream {
			return of
		}
	}
	return nil
}

// readyList returns where e waits when it could be handed out.
func (q *Queue[T, K]) readyList(e *entry[T, K], c class) *list.List[*entry[T, K]] {
	if of := q.lineOf(e.lane, &e.item); of != nil {
		return &of.ready[c]
	}
	return &e.lane.ready[c]
}

// readyLists returns all lists of a class whose items could be handed out.
func (l *lane[T, K]) readyLists(c class) []*list.List[*entry[T, K]] {
	all := []*list.List[*entry[T, K]]{&l.ready[c]}
	for _, of := range l.lines {
		all = append(all, &of.ready[c])
	}
	return all
}

func (l *lane[T, K]) hasOpenLine(c class) bool {
	return slices.ContainsFunc(l.lines, func(of *line[T, K]) bool { return of.ready[c].N > 0 && !of.gate.token.set() })
}

// nextLineLocked returns the line, nil for those without a limit, whose turn it is among those
// that have an item of a class and a token for it; not ok: there is none.
func (q *Queue[T, K]) nextLineLocked(l *lane[T, K], c class) (of *line[T, K], ok bool) {
	n := len(l.lines)
	at := slices.Index(l.lines, l.lastLine) // -1: those without a limit, which stand after the last line
	for range n + 1 {
		if at = (at + 1) % (n + 1); at == n {
			if l.ready[c].N > 0 {
				return nil, true
			}
			at = -1
			continue
		}
		if of := l.lines[at]; of.ready[c].N > 0 && q.mayPassLocked(&of.gate) {
			return of, true
		}
	}
	return nil, false
}

// beginLineLocked gives a stream of a lane a line of its own.
func (q *Queue[T, K]) beginLineLocked(l *lane[T, K], stream string, bucket *ratelimit.Bucket) {
	of := &line[T, K]{stream: stream}
	of.gate.lane, of.gate.line, of.gate.bucket, of.gate.token.self = l, true, bucket, &of.gate
	l.lines = append(l.lines, of)
	for c := range l.ready {
		q.moveLocked(&l.ready[c], &of.ready[c], func(e *entry[T, K]) bool { return q.o.Stream(e.item) == stream })
	}
}

// endLineLocked has a stream of a lane wait with the others again, behind them.
func (q *Queue[T, K]) endLineLocked(l *lane[T, K], stream string) {
	i := slices.IndexFunc(l.lines, func(of *line[T, K]) bool { return of.stream == stream })
	of := l.lines[i]
	if of.gate.token.set() {
		q.openLocked(&of.gate, q.now())
	}
	if l.lines = slices.Delete(l.lines, i, i+1); len(l.lines) == 0 {
		l.lines = nil
	}
	if l.lastLine == of {
		l.lastLine = nil
	}
	for c := range l.ready {
		q.moveLocked(&of.ready[c], &l.ready[c], func(*entry[T, K]) bool { return true })
	}
	q.resumeLocked(l)
}

// moveLocked moves those that are chosen to the end of another list.
func (*Queue[T, K]) moveLocked(from, to *list.List[*entry[T, K]], chosen func(*entry[T, K]) bool) {
	for n := from.Head; n != nil; {
		e := n.Self
		if n = n.Next; chosen(e) {
			e.place.Leave()
			to.PushBack(&e.place)
		}
	}
}
