package batch

import (
	"time"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// shareMost is how much time searches may take at once, when there were none before: what they
// have of a minute.
const shareMost = time.Minute / apartShare

// oweMost is the most of what they have spent that is remembered: what is paid off in suspectFor.
const oweMost = suspectFor / apartShare

// share is the time that searches and writes apart may take: one apartShare-th of all, over all
// clusters. The zero value has all that may be saved up.
type share struct {
	spent time.Duration // more than was gained, at the time below
	at    time.Time
}

// spend takes so much from the share. What is not there is gained later.
func (s *share) spend(took time.Duration, now time.Time) {
	s.spent, s.at = min(s.debt(now)+took, oweMost), now
}

// debt returns how much was spent, without what was gained since.
func (s *share) debt(now time.Time) time.Duration {
	return max(s.spent-now.Sub(s.at)/apartShare, 0)
}

// held is what was in batches that were refused as a whole, and were not searched yet. It is
// guarded by Batcher.mu.
type held struct {
	keys map[pipeline.Key]time.Time // since when
	line line                       // of all clusters
	as   suspect                    // what the line is of: it has no name
}

func (h *held) has(key *pipeline.Key) bool {
	_, is := h.keys[*key]
	return is
}

// isMixed tells whether a line is of several clusters, none of which is suspected.
func (l *line) isMixed() bool { return l.of.mixed }

// maySearch tells whether a batch that is among others may be searched at once.
func (s *suspects) maySearch(now time.Time) bool { return s.share.debt(now) < shareMost }

// hold has what was refused as a whole written apart. It reports whether there was room for it.
func (s *suspects) hold(items []*item, reason error, now time.Time) bool {
	h := &s.held
	if s.sweep(now); len(h.keys)+len(items) > mostSuspects {
		return false
	}
	if len(h.keys) == 0 {
		h.keys = map[pipeline.Key]time.Time{}
		l := &h.line
		if l.of == nil { // once, as a writer may hold the line
			l.of, h.as.mixed = &h.as, true
		}
		l.size, l.turn, l.off, l.took = max(len(items)/2, 1), time.Time{}, 0, 0
	}
	h.as.reason = reason.Error()
	s.reason = h.as.reason
	for _, it := range items {
		key := it.change.Key
		if _, in := s.of(&key, now); in == nil {
			h.keys[key] = now
		}
	}
	return true
}
