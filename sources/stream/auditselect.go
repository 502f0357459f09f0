package stream

import (
	"slices"
	"strconv"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/pipeline/selection"
)

// told is what the watch has told last of an object during an audit.
type told struct {
	version uint64
	gone    bool
	outside branchSet // those that do not select it
}

// branchSet is a set of the branches of an audit, by their place. There is room for 64:
// the suspects of those beyond are taken to differ, which costs a snapshot.
type branchSet uint64

func (s *branchSet) add(i int) { *s |= 1 << i }

func (s branchSet) has(i int) bool { return s&(1<<i) != 0 }

// programsOf returns what the rules of branches are.
func (s *Stream) programsOf(of []*branch) []*selection.Program {
	s.mu.Lock()
	defer s.mu.Unlock()
	programs := make([]*selection.Program, len(of))
	for i, b := range of {
		programs[i] = b.rules.program
	}
	return programs
}

// needsWhole reports whether some branch's rules need more of an object than its metadata,
// or digests of it: an API server may write the metadata in another order when it is asked
// for them alone.
func (au *audit) needsWhole() bool {
	return !au.target.metadata && slices.ContainsFunc(au.programs, func(p *selection.Program) bool {
		return p.Whole() || changedText(p) != ""
	})
}

// expectation is what is known of an object of the list, if all is well.
type expectation uint8

const (
	selected expectation = iota
	unselected
	undecided // it depends on how its state came
)

// expect returns what rules say of an object, however it came.
func expect(p *selection.Program, o selection.Object) expectation {
	if p.ReadsChange() {
		return undecided
	}
	if listed, _ := p.Match(o); listed { // on an error it passes, as it does in the stream
		return selected
	}
	return unselected
}

// counts reports whether all that counts of what was listed is acked.
func (s *suspect) counts(acked ledger.Version, digest uint64) bool {
	return s.digest != 0 && ledger.KeptDigest(s.digest) == digest && s.listed.UID == acked.UID
}

// look compares what is known of a suspect with what must be.
func (au *audit) look(s suspect) (differs, pending bool) {
	au.mu.Lock()
	defer au.mu.Unlock()
	if !au.reads(s.branch) {
		return false, false // it has left, and is behind
	}
	acked, pending, known := s.branch.cursor.Lookup(s.name)
	if pending {
		return false, true
	}
	last, ok := au.lastSeen[au.hash(s.name)]
	place := slices.Index(au.of, s.branch)
	switch {
	case !ok && s.listed == ledger.Version{}, ok && last.gone, last.outside.has(place):
		return known, false
	case !ok:
		return acked != s.listed && !s.counts(acked, s.branch.cursor.Digest(s.name)), false
	case s.branch.cursor.Digest(s.name) != 0:
		return !known, false // what the watch has told need not have counted
	}
	return acked.ResourceVersion != strconv.FormatUint(last.version, 10), false
}

// auditNote is what an audit is told of a state that the watch reports to the cursors. A
// nil one takes everything.
type auditNote struct {
	*audit
	told

	hash uint64
	kept bool
}

// observe records a state that is about to be reported to the cursors. No audit looks at
// them before done is called.
func (au *audit) observe(name ledger.Name, version ledger.Version, gone bool) *auditNote {
	n := &auditNote{audit: au, told: told{version: number(version.ResourceVersion), gone: gone}, hash: au.hash(name)}
	au.mu.Lock()
	n.kept = au.only == nil || au.only[n.hash]
	return n
}

// leaves records that a branch does not select the state.
func (n *auditNote) leaves(b *branch) {
	if n == nil {
		return
	}
	if place := slices.Index(n.of, b); place >= 0 {
		n.outside.add(place)
	}
}

func (n *auditNote) done() {
	if n == nil {
		return
	}
	if n.kept {
		n.lastSeen[n.hash] = n.told
		if len(n.lastSeen) > n.most {
			n.cancel(errUndecided)
		}
	}
	n.mu.Unlock()
}
