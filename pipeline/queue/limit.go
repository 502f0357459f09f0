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
// lines take turns. It takes no room of theirs: a line has half as much room as a lane, and blocks
// the Offers of its own stream; it may be fuller, if more waited when the limit began. Nobody takes a token that he cannot use: the one of the lane is taken when
// the others are known to be there, and those after it. Both classes share these buckets, as
// what they spare has to take both.

// line is what waits of one limited stream of a lane.
type line[T, K comparable] struct {
	stream string
	ready  [2]list.List[*entry[T, K]] // as those of the lane
	bytes  int64                      // of these
	room   chan struct{}              // closed when one leaves; nil: nobody waits for it
	err    error                      // why it will never have room
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
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.total.bucket.Unlimited() {
		q.total.bucket = ratelimit.NewBucket(limit) // full, as every new one
	} else {
		q.total.bucket.Set(limit)
	}
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

// lineUpLocked puts e at the end of those of its class that could be handed out: of the line of
// its stream, if that has a limit.
func (q *Queue[T, K]) lineUpLocked(e *entry[T, K], c class) {
	if e.line = q.lineOf(e.lane, &e.item); e.line != nil {
		e.lane.lined[c]++
		e.lane.linedBytes[c] += int64(e.size)
		e.line.bytes += int64(e.size)
	}
	e.readyList(c).PushBack(&e.place)
}

// leaveLineLocked is called before e, if it waits in a line, leaves that.
func (e *entry[T, K]) leaveLineLocked() {
	of, l := e.line, e.lane
	if of == nil {
		return
	}
	c := live
	if e.place.List == &of.ready[snapshot] {
		c = snapshot
	}
	l.lined[c]--
	l.linedBytes[c] -= int64(e.size)
	of.bytes -= int64(e.size)
	of.tellRoom()
	e.line = nil
}

// readyList returns where e waits when it could be handed out.
func (e *entry[T, K]) readyList(c class) *list.List[*entry[T, K]] {
	if e.line != nil {
		return &e.line.ready[c]
	}
	return &e.lane.ready[c]
}

// fitsLineLocked reports whether an item has room in a line: one always has where there is none.
func (q *Queue[T, K]) fitsLineLocked(of *line[T, K], size int) bool {
	n := of.ready[live].N + of.ready[snapshot].N
	return n == 0 || n < q.o.LaneCapacity/2 && of.bytes+int64(size) <= q.o.LaneBytes/2
}

// whenRoomLocked returns what is closed when there may be room in a line.
func (of *line[T, K]) whenRoomLocked() <-chan struct{} {
	if of.room == nil {
		of.room = make(chan struct{})
	}
	return of.room
}

// refusal returns why a line will never have room; nil: it may.
func (q *Queue[T, K]) refusal(of *line[T, K]) error {
	if of == nil {
		return nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	return of.err
}

// tellRoom has the Offers that wait for room in a line look again.
func (of *line[T, K]) tellRoom() {
	if of.room != nil {
		close(of.room)
		of.room = nil
	}
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
		q.lineUpAgainLocked(&l.ready[c], class(c), stream)
	}
	q.admitLocked(l)
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
	of.tellRoom()
	for c := range l.ready {
		q.lineUpAgainLocked(&of.ready[c], class(c), stream)
	}
	q.resumeLocked(l)
}

// lineUpAgainLocked has those of a stream that wait in a list line up where they belong now.
func (q *Queue[T, K]) lineUpAgainLocked(from *list.List[*entry[T, K]], c class, stream string) {
	for n := from.Head; n != nil; {
		e := n.Self
		if n = n.Next; q.o.Stream(e.item) == stream {
			e.leaveLineLocked()
			e.place.Leave()
			q.lineUpLocked(e, c)
		}
	}
}
