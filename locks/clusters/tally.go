package clusters

import (
	"crypto/sha256"
	"strings"

	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// verdict is what the votes come to.
type verdict int

const (
	nothing verdict = iota // not known
	missing                // a majority has no vote
	elected                // a majority has the votes of one process and term
	free                   // a majority can be had
	split                  // none of that
)

// view is what a caller has been told of the record, which it may replace.
type view struct {
	verdict verdict
	record  resourcelock.LeaderElectionRecord
	raw     string // changes if a renewal was seen
	// keys are the votes that the record stands for: who counts the time since raw
	// has changed counts that of each of them.
	keys map[string]bool
	mine bool   // this lock has written it, and it has a holder
	term uint64 // of it
}

// tallyLocked returns what the fresh votes come to. Unless these are all that will be
// heard, it is told only what more votes cannot change.
func (l *Lock) tallyLocked(fresh []bool, all bool) view {
	count, none, heard := map[string]int{}, 0, 0
	for i, s := range l.seats {
		if !fresh[i] || !s.known {
			continue
		}
		heard++
		if s.lease == nil {
			none++
			continue
		}
		key := s.vote.key()
		count[key]++
		if count[key] >= l.majority() {
			return l.electedLocked(&s.vote, key, map[string]bool{key: true})
		}
	}
	switch {
	case none >= l.majority():
		return view{verdict: missing}
	case !all || heard < l.majority():
		return view{}
	}
	if v, ok := l.sameTermLocked(fresh); ok {
		return v
	}
	return l.undecidedLocked(fresh)
}

func (l *Lock) electedLocked(v *vote, raw string, keys map[string]bool) view {
	return view{
		verdict: elected, record: v.record, raw: raw, keys: keys, term: v.Term,
		mine: strings.HasPrefix(v.Ballot, l.nonce) && v.record.HolderIdentity != "",
	}
}

// told is what Get has told of a term last, and the keys of the votes that were known then.
type told struct {
	holder string
	term   uint64
	raw    string
	votes  []string // by seat; empty: none
}

// steadyLocked keeps the bytes of a term for as long as no voter that answers has another
// vote than when they were told first. Which voters answer decides how many have the last
// renewal, and so what the bytes would be: of a leader that is gone they would change by
// turns, and its lease would never end.
func (l *Lock) steadyLocked(v *view, fresh []bool) {
	if v.verdict != elected {
		l.shown = told{}
		return
	}
	votes := make([]string, len(l.seats))
	same := l.shown.raw != "" && l.shown.holder == v.record.HolderIdentity && l.shown.term == v.term
	for i, s := range l.seats {
		if s.lease != nil {
			votes[i] = s.vote.key()
		}
		same = same && (!fresh[i] || votes[i] == l.shown.votes[i])
	}
	if same {
		v.raw = l.shown.raw
		return
	}
	l.shown = told{v.record.HolderIdentity, v.term, v.raw, votes}
}

// sameTermLocked looks for a holder of whom the voters have different renewals. A vote
// of this process that a voter had and does not answer for counts: nobody contradicts.
func (l *Lock) sameTermLocked(fresh []bool) (view, bool) {
	type term struct {
		holder string
		term   uint64
	}
	votes := map[term][]*seat{}
	for i, s := range l.seats {
		own := s.vote.record.HolderIdentity == l.o.Identity && strings.HasPrefix(s.vote.Ballot, l.nonce)
		if answered := fresh[i] && s.known; answered && s.lease != nil || !answered && own {
			t := term{s.vote.record.HolderIdentity, s.vote.Term}
			votes[t] = append(votes[t], s)
		}
	}
	for t, seats := range votes {
		if len(seats) < l.majority() || t.holder == "" {
			continue
		}
		last, keys := &seats[0].vote, map[string]bool{}
		for _, s := range seats {
			keys[s.vote.key()] = true
			if s.vote.record.RenewTime.After(last.record.RenewTime.Time) {
				last = &s.vote
			}
		}
		return l.electedLocked(last, l.digestLocked(), keys), true
	}
	return view{}, false
}

// undecidedLocked is what nobody has a majority of: a record without a holder if a
// majority of the votes is free, or else that of whoever has the most votes, this
// process before others.
func (l *Lock) undecidedLocked(fresh []bool) view {
	votes, frees := map[string]int{}, 0
	var best *vote
	for i, s := range l.seats {
		if !fresh[i] || !s.known || s.lease == nil {
			continue
		}
		holder := s.vote.record.HolderIdentity
		if holder == "" || holder == l.o.Identity {
			frees++
		}
		if holder == "" && best != nil {
			continue
		}
		votes[holder]++
		if best == nil || best.record.HolderIdentity == "" || votes[holder] > votes[best.record.HolderIdentity] ||
			votes[holder] == votes[best.record.HolderIdentity] && holder == l.o.Identity {
			best = &s.vote
		}
	}
	v := view{verdict: split, raw: l.digestLocked()}
	if best != nil {
		v.record = best.record
	}
	if frees >= l.majority() {
		v.verdict, v.record.HolderIdentity = free, ""
	}
	return v
}

// digestLocked changes with each vote that is seen.
func (l *Lock) digestLocked() string {
	sum := sha256.New()
	for _, s := range l.seats {
		key := "none"
		if s.lease != nil {
			key = s.vote.key()
		}
		_, _ = sum.Write(append([]byte(key), 0))
	}
	return string(sum.Sum(nil))
}
