package batch

import (
	"maps"
	"math/bits"
	"slices"
	"time"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// Some destinations answer for a whole batch: one transaction, one request. A change that
// they never accept takes everything with it that is in its batch, until halves have found
// it. So what was found, and newer states of the same object, is not written with anybody
// else's changes again:
//
//	batch ── refused ── halves ── found: an object ─▶ written alone, at its time
//	                             again in a minute: its cluster ─▶ in batches of its own, for a while
//
// Writes apart have an eighth of the time, so long as there are others. What has to wait for
// one is put off: its caller is told at once to come again (pipeline.PutOff), so that
// nobody waits behind it.
const (
	// apartShare is how many times longer than one write apart the time from its begin to the
	// next one's is, so long as there are others.
	apartShare = 8
	// refusedShare is the same from one object that was refused before to the next one of its
	// cluster, for each cluster that has such: they leave half of the writes to what may be
	// accepted.
	refusedShare = 2 * apartShare
	// othersGone is how long after the last change of a cluster that is not suspected nobody
	// else is there.
	othersGone = time.Second
	// wholeFirst is for how long all of a cluster is apart when something of it was found in
	// batches with others twice within suspectFor, and for longer if more is found. It doubles up to
	// wholeLongest each time that happens again. Once searches have used up their share it is so at
	// once, for suspectFor at least.
	wholeFirst   = time.Minute
	wholeLongest = 32 * time.Minute
	// suspectFor is how long what was found is remembered after it was to be written again, or
	// a cluster after it was apart.
	suspectFor = 15 * time.Minute
	// mostSuspects bounds the objects that are remembered, and mostSuspected the clusters. What
	// there is no room for is found again.
	mostSuspects  = 4096
	mostSuspected = 4096
	// mostFound is how many changes of a cluster are looked for in one batch. The rest of the
	// cluster's is written apart.
	mostFound = 2
	// manyOff is how many times more changes than a line's last write has taken may come for
	// its next one.
	manyOff = 16
	// putOffLeast and putOffMost bound for how long a change is put off.
	putOffLeast = 10 * time.Millisecond
	putOffMost  = time.Minute
)

// suspects is what is written apart. It is guarded by Batcher.mu. The zero value knows of
// nothing, as is nearly always so.
type suspects struct {
	clusters map[string]*suspect
	objects  int       // of all clusters
	gate     time.Time // no write apart before, so long as there are others
	// othersFirst is whether a write apart has failed with the destination and none of others
	// has begun since.
	othersFirst bool
	turns       time.Time     // the last one that a line waits for
	took        time.Duration // the last of them
	mixedLast   bool          // the last write apart was of the mixed line
	others      time.Time     // when there was last a change that is not suspected
	swept       time.Time
	// What is put off was in deliveries of which the rest is written: so much more is asked
	// for, at most Options.MaxBatch.
	off, more int
	share     share
	held      held
	reason    string // of the last refusal, of any
}

// isEmpty tells whether nothing is written apart.
func (s *suspects) isEmpty() bool { return len(s.clusters)+len(s.held.keys) == 0 }

// suspect is a cluster of which something was found.
type suspect struct {
	cluster string
	mixed   bool      // it is of several clusters instead
	since   time.Time // that it is one
	// objects that were refused, each with the time before which it is not written again, and
	// the latest of these.
	objects map[pipeline.Key]time.Time
	latest  time.Time
	alone   line      // of these objects
	foundAt time.Time // in a batch with others, last
	whole   time.Time // until when everything else of it is apart as well
	lasts   time.Duration
	rest    line   // of that
	reason  string // of the last refusal
}

// line is what of a cluster may be written together: of either kind few, and twice as much
// after each write that is accepted, so that what is mended does not take long. Lines take
// turns, and what waits for one comes when its line has it.
type line struct {
	of   *suspect
	size int       // objects in the next write
	turn time.Time // zero: nothing waits for it
	off  int       // put off since the last write
	took int       // changes, by that
}

// of returns the line in which the changes of an object are written, and from when on it is
// not too early for this one of the line; nil: it is written with all others.
func (s *suspects) of(key *pipeline.Key, now time.Time) (at time.Time, in *line) {
	if c := s.clusters[key.Cluster]; c != nil {
		if at, ok := c.objects[*key]; ok {
			if c.alone.size > 1 && at.After(now) {
				at = now // another one was mended
			}
			return at, &c.alone
		}
		if now.Before(c.whole) {
			return time.Time{}, &c.rest
		}
	}
	if s.held.has(key) {
		return time.Time{}, &s.held.line
	}
	return time.Time{}, nil
}

// isOpen tells whether something may be written apart.
func (s *suspects) isOpen(now time.Time) bool {
	return !s.othersFirst && !s.gate.After(now) || !s.hasOthers(now)
}

func (s *suspects) hasOthers(now time.Time) bool { return now.Sub(s.others) < othersGone }

// isTurn tells whether a line has its turn, and since when. One that does not wait for it has
// it at once, if no other waits. What is held always has it, before all others every second time:
// nearly all of that is accepted.
func (s *suspects) isTurn(l *line, now time.Time) (since time.Time, is bool) {
	switch {
	case l.isMixed() && s.mixedLast:
		return now, true
	case l.isMixed():
		return time.Time{}, true
	}
	if l.turn.IsZero() {
		return now, !s.turns.After(now)
	}
	return l.turn, !l.turn.After(now)
}

// wait returns for how long something of a line is put off that may be written from at on.
func (s *suspects) wait(l *line, at, now time.Time) time.Duration {
	step := max(s.took, putOffLeast)
	if s.hasOthers(now) {
		step *= apartShare
	}
	var wait time.Duration
	if at.After(now) {
		wait = at.Sub(now)
	} else {
		if l.turn.IsZero() && !l.isMixed() {
			l.turn = now.Add(step)
			if s.turns.After(now) {
				l.turn = s.turns.Add(step)
			}
			s.turns = l.turn
		}
		if wait = l.turn.Sub(now); l.isMixed() || wait <= 0 { // another one has it first
			wait = step
			if gate := s.gate.Sub(now); gate > 0 {
				wait = min(wait, gate)
			}
		}
		// Where much more waits than a write takes, not all of it is to come for the next one.
		wait *= time.Duration(1 + bits.Len(uint(l.off/max(l.took, 1)/manyOff)))
		l.off++
	}
	return min(max(wait, putOffLeast), putOffMost)
}

// found notes that the sink refuses an object for good by itself: in a write with others, or
// apart. took is how long the write took in which it was alone, and short tells that searches have
// used up their share. It returns for how long all of the cluster is apart, if that begins now.
func (s *suspects) found(key pipeline.Key, reason error, of *line, took time.Duration, short bool, now time.Time) (begins time.Duration) {
	c := s.clusters[key.Cluster]
	if c == nil {
		if s.sweep(now); len(s.clusters) >= mostSuspected {
			return 0
		}
		c = &suspect{cluster: key.Cluster, since: now, objects: map[pipeline.Key]time.Time{}, alone: line{size: 1}, rest: line{size: 1}}
		c.alone.of, c.rest.of = c, c
		if s.clusters == nil {
			s.clusters = map[string]*suspect{}
		}
		s.clusters[key.Cluster] = c
	}
	c.reason = reason.Error()
	s.reason = c.reason
	_, known := c.objects[key]
	delete(s.held.keys, key)
	again := short || now.Sub(c.foundAt) < suspectFor
	if of == nil {
		c.foundAt = now
	}
	switch {
	case known:
	case of != nil:
		c.whole = now.Add(c.lasts)
	case again:
		if !now.Before(c.whole) {
			c.lasts = min(max(2*c.lasts, wholeFirst), wholeLongest)
			if short { // another search of the cluster costs what there is not
				c.lasts = max(c.lasts, suspectFor)
			}
			begins = c.lasts
		}
		c.whole = now.Add(c.lasts)
	}
	if !known && s.objects >= mostSuspects {
		if s.sweep(now); s.objects >= mostSuspects {
			return begins
		}
	}
	if !known {
		s.objects++
	}
	c.objects[key] = now
	spacing := s.spacing(took, now)
	if c.latest.Before(now) {
		c.latest = now
	}
	c.latest = c.latest.Add(spacing)
	if all := now.Add(spacing * time.Duration(len(c.objects))); c.latest.After(all) {
		c.latest = all // some were accepted since, or writes took longer
	}
	c.objects[key] = c.latest
	return begins
}

// spacing returns the time from one write that a cluster has had refused to the next one.
func (s *suspects) spacing(took time.Duration, now time.Time) time.Duration {
	n := 0
	for _, c := range s.clusters {
		if c.isApart(now) {
			n++
		}
	}
	return took * time.Duration(refusedShare*max(n, 1))
}

// isApart tells whether some of a cluster's changes are.
func (c *suspect) isApart(now time.Time) bool { return len(c.objects) > 0 || now.Before(c.whole) }

// names returns the clusters of which changes are written apart, in order.
func (s *suspects) names(now time.Time) (names []string) {
	for name, c := range s.clusters {
		if c.isApart(now) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// since returns since when something has been written apart.
func (s *suspects) since(now time.Time) (first time.Time) {
	first = now
	for _, c := range s.clusters {
		if c.isApart(now) && c.since.Before(first) {
			first = c.since
		}
	}
	for _, since := range s.held.keys {
		if since.Before(first) {
			first = since
		}
	}
	return first
}

// accepted notes that an object was written apart and accepted.
func (s *suspects) accepted(key pipeline.Key) {
	delete(s.held.keys, key)
	c := s.clusters[key.Cluster]
	if c == nil {
		return
	}
	if _, ok := c.objects[key]; ok {
		delete(c.objects, key)
		s.objects--
	}
}

// wrote notes that it is known of n changes that were written apart whether they are accepted,
// and whether one is refused. In all that took so long, and the last write of it took that.
func (s *suspects) wrote(l *line, n int, all, last time.Duration, refused bool, most int, now time.Time) {
	s.share.spend(all, now)
	s.mixedLast = l.isMixed()
	if n == 0 { // the destination has failed: it may be that this was too large
		l.size, l.turn = max(l.size/2, 1), time.Time{}
		s.gate, s.othersFirst = now.Add(all*(apartShare-2)), true
		return
	}
	s.took = last
	s.gate = now.Add(all * (apartShare - 2)) // the turn after that may be taken a little late
	l.off, l.took, l.turn = 0, n, time.Time{}
	if refused {
		l.size = max(l.size/2, 1)
	} else {
		l.size = min(l.size*2, most)
	}
}

// begins notes that something is written that is not suspected.
func (s *suspects) begins() {
	s.more = max(s.off, s.more-(s.more+7)/8)
	s.off, s.othersFirst = 0, false
}

// forget forgets what was found out of a cluster.
func (s *suspects) forget(cluster string) {
	if c := s.clusters[cluster]; c != nil {
		s.objects -= len(c.objects)
		delete(s.clusters, cluster)
	}
	maps.DeleteFunc(s.held.keys, func(key pipeline.Key, _ time.Time) bool { return key.Cluster == cluster })
}

// sweep forgets what has not come for long.
func (s *suspects) sweep(now time.Time) {
	if now.Sub(s.swept) < time.Second {
		return
	}
	s.swept = now
	for key, since := range s.held.keys {
		if now.Sub(since) > suspectFor {
			delete(s.held.keys, key)
		}
	}
	for name, c := range s.clusters {
		for key, at := range c.objects {
			if now.Sub(at) > suspectFor {
				delete(c.objects, key)
				s.objects--
			}
		}
		if len(c.objects) == 0 && min(now.Sub(c.whole), now.Sub(c.foundAt)) > max(suspectFor, c.lasts) {
			delete(s.clusters, name)
		}
	}
}
