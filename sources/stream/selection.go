package stream

import (
	"fmt"
	"maps"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/pipeline/selection"
	"github.com/fairlead-dev/fairlead/sources/member"
	"github.com/fairlead-dev/fairlead/sources/stream/wire"
)

// What a route delivers of what the stream reads is up to its rules:
//
//	frame ──▶ Match ── outside ──▶ a deletion, if the sink may hold the object; else nothing
//	            └──▶ Digest ──▶ ledger: Unchanged, or Deliver ──▶ copied once ──▶ shaped, once for each form
//
// Rules are compiled for the resource and the cluster each time the stream claims its
// cursors. The cursor knows their texts, so that other rules are another selection, and
// another form.

// rules is what a branch's rules make of what the stream follows.
type rules struct {
	program *selection.Program // nil: everything, as it is
	shaper  *selection.Program // of the same form as program, the same one for all branches of that form; nil: as it is
	about   selection.Resource // what they were compiled for last; guarded by Stream.mu, which may be taken by anybody

	filtered, failed atomic.Uint64 // states that were not selected, and evaluations that failed
	lastError        atomic.Pointer[string]
	failedAt         moment      // when lastError came
	failing          amiss       // on which they cannot be evaluated
	warned           atomic.Bool // in the log, that the rules can never be evaluated
}

// compile returns what the rules of a branch say of a target.
func (s *Stream) compile(b *branch, t *target, clusterUID string) *selection.Program {
	s.mu.Lock()
	b.rules.about = t.resource.selected() // before the labels are read: see Relabel
	s.mu.Unlock()
	return s.rulesOf(b).For(t.resource.selected(), s.asSelected(clusterUID))
}

func (s *Stream) rulesOf(b *branch) *selection.Rules { return selection.Merge(s.rules, b.route.Rules) }

func (r resource) selected() selection.Resource {
	return selection.Resource{GroupVersionResource: r.gvr, Kind: r.kind, Namespaced: r.namespaced}
}

func (s *Stream) asSelected(uid string) selection.Cluster {
	s.mu.Lock()
	defer s.mu.Unlock()
	return selection.Cluster{Name: s.cluster, UID: uid, Labels: s.labels}
}

// selectorsOf returns the selectors to ask the server with: those of the spec, and what the
// rules for all routes leave to the server.
func (s *Stream) selectorsOf(r resource, session *member.Session) (labels, fields string) {
	labels, fields = s.rules.For(r.selected(), s.asSelected(session.UID)).Selectors()
	return both(s.spec.Labels, labels), both(s.spec.Fields, fields)
}

// both returns a selector that selects what both of two do; an empty one selects all.
func both(one, other string) string {
	if one == "" || other == "" {
		return one + other
	}
	return one + "," + other
}

// selectionOf returns what a branch selects, in the words of the ledger.
func (s *Stream) selectionOf(p *selection.Program) ledger.Selection {
	return ledger.Selection{
		Namespace: s.spec.Namespace, Labels: s.spec.Labels, Fields: s.spec.Fields,
		Where: p.Where(), Changed: changedText(p),
	}
}

// changedText tells one notion of change from another: a digest says of which fields it is.
func changedText(p *selection.Program) string {
	digest, ok := p.Digest(selection.Object{JSON: []byte("{}")})
	if !ok {
		return ""
	}
	return strconv.FormatUint(digest, 16)
}

// useLocked has a branch use a program from here on. Branches of the same form share its
// shaper, and with it the object that they deliver.
func (s *Stream) useLocked(b *branch, p *selection.Program) {
	if b.rules.program.Where() != p.Where() {
		b.rules.failing.forget()
	}
	b.rules.program, b.rules.shaper = p, nil
	shape := p.Shape()
	if shape == "" {
		return
	}
	b.rules.shaper = p
	for _, other := range s.branches {
		if other != b && other.rules.shaper != nil && other.rules.shaper.Shape() == shape {
			b.rules.shaper = other.rules.shaper
		}
	}
}

// shaperOf returns what shapes the objects that a branch delivers; nil: nothing does.
func (s *Stream) shaperOf(b *branch) *selection.Program {
	s.mu.Lock()
	defer s.mu.Unlock()
	return b.rules.shaper
}

// Relabel says which labels the cluster has. If rules read one that has changed, another
// selection follows from it: then the watch ends, also one that opens or a snapshot that is
// under way, once that has come to its end. It may be called from any goroutine.
func (s *Stream) Relabel(labels map[string]string) {
	s.mu.Lock()
	before := s.labels
	s.labels = maps.Clone(labels)
	s.mu.Unlock()
	if maps.Equal(before, labels) || !s.selectsOtherwise(before, labels) {
		return
	}
	s.mu.Lock()
	s.relabelled.Add(1) // no branch joins another reader meanwhile
	s.mu.Unlock()
	for _, r := range s.allReaders() {
		r.requests.cutWatch()
	}
}

// selectsOtherwise reports whether a branch's rules say something else with other labels of
// the cluster. Of rules that are not compiled yet it says so: somebody may be about to.
func (s *Stream) selectsOtherwise(before, after map[string]string) bool {
	for _, b := range s.branches {
		rules := s.rulesOf(b)
		s.mu.Lock()
		about := b.rules.about
		s.mu.Unlock()
		with := func(labels map[string]string) string {
			return rules.For(about, selection.Cluster{Labels: labels}).Where()
		}
		if rules != nil && (about.GroupVersionResource.Empty() || with(before) != with(after)) {
			return true
		}
	}
	return false
}

// view returns the object in f, scanned from b, as rules see it: what would be delivered of
// it, and no more.
func (t *target) view(b []byte, f *wire.Frame, tooLong, snapshot bool) selection.Object {
	o := selection.Object{JSON: f.Object, Op: selection.Updated, Snapshot: snapshot}
	switch {
	case f.Type == wire.Deleted:
		o.Op = selection.Deleted
	case f.Type == wire.Added, snapshot: // pages say nothing
		o.Op = selection.Added
	}
	part, _, _ := t.choose(b, f, tooLong) // why it may be less is counted when it is delivered
	if o.Metadata = part.Metadata; o.Metadata && !t.metadata {
		o.JSON = wire.CopyMetadata(nil, b, f) // the rest of it is doubtful
	}
	return o
}

// judge notes in a state of an object what a branch's rules make of it.
func (b *branch) judge(name ledger.Name, o *selection.Object, s *ledger.State) {
	selected, err := b.rules.program.Match(*o)
	if err != nil {
		b.rules.failed.Add(1)
		b.rules.lastError.Store(new(err.Error()))
		b.rules.failedAt.set(time.Now())
	}
	b.rules.failing.note(name, err != nil && !s.Deleted)
	if s.Outside = !selected; s.Outside {
		s.Stays = s.Snapshot && mayBeSelected(b.rules.program, *o)
		return
	}
	s.Digest, _ = b.rules.program.Digest(*o)
}

// mayBeSelected reports whether rules would select the object if it had come in another way.
func mayBeSelected(p *selection.Program, o selection.Object) bool {
	if !p.ReadsChange() {
		return false
	}
	for _, o.Op = range []selection.Op{selection.Added, selection.Updated} {
		for _, o.Snapshot = range []bool{false, true} {
			if selected, _ := p.Match(o); selected {
				return true
			}
		}
	}
	return false
}

// formOf names how a branch's states are delivered.
func (t *target) formOf(shape string) string {
	if shape == "" {
		return t.form()
	}
	return fmt.Sprintf("shaped by %s, %s", shape, t.form())
}
