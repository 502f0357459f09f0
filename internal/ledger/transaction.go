package ledger

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"
)

// giveUpAfter is how many clusters' parts may be refused, each by itself, with nothing
// stored in between, before the store is left alone until the next time.
const giveUpAfter = 32

// errorsShown bounds how many errors of clusters that differ make one.
const errorsShown = 4

// transaction is what there is to store at one moment, by cluster. Each part may be stored by
// itself, as none depends on that of another cluster: but one that drops cursors, or
// gives one another name, is stored with the term's, which holds the generation that new cursors
// begin in (outliveLocked), or after it.
type transaction struct {
	writer  *writer
	parts   map[*cluster]*part
	term    error // why the term's part is not stored; nil: it is, or was not tried yet
	skipped bool  // clusters that fail are left out
	err     error // of what is not stored
	refused int   // parts, each by itself, since something was stored
	oldTerm bool  // nothing is stored any more
}

// part is what a transaction stores of one cluster, and how to take that back.
type part struct {
	cluster *cluster
	updates []Update
	dropped []string
	became  bool // a cursor has another name
	batches []batch
	records int
	bytes   int // of keys and values
	group   group
	tried   uint64 // the round in which it was refused by itself last
	err     error  // of the last attempt to store it; nil: it is stored
	alone   bool   // that one was with nothing else
}

// group is what is stored together, if the store takes it.
type group int

const (
	well     group = iota // the last attempt at the cluster's part was a success
	doubtful              // it failed, together with those of others
	refused               // it failed by itself
	groups
)

func (t *transaction) part(k *cluster) *part {
	p := t.parts[k]
	if p == nil {
		p = &part{cluster: k, tried: k.storing.tried}
		if k.failing.Load() {
			p.group = doubtful
			if k.storing.tried > 0 {
				p.group = refused
			}
		}
		t.parts[k] = p
	}
	return p
}

func (t *transaction) add(b batch, u Update) {
	p := t.part(b.cursor.cluster)
	p.batches = append(p.batches, b)
	p.became = p.became || b.became
	p.updates = append(p.updates, u)
	p.records += len(u.Records)
	p.bytes += len(u.Head)
	for _, r := range u.Records {
		p.bytes += len(r.Key) + len(r.Value)
	}
}

// store stores the parts, group by group. Of each those come first that have waited
// longest to be tried by themselves, and of these the smallest, as a store that is full has
// room for little.
func (t *transaction) store(ctx context.Context) {
	var all [groups][]*part
	term := t.parts[t.writer.ledger.term.cluster]
	for _, p := range t.parts {
		if p != term || p.group == well {
			all[p.group] = append(all[p.group], p)
		}
	}
	t.beginTerm(ctx, term)
	for g, parts := range all {
		parts = t.withoutHeld(parts)
		slices.SortFunc(parts, func(a, b *part) int { return cmp.Or(cmp.Compare(a.tried, b.tried), cmp.Compare(a.bytes, b.bytes)) })
		if len(parts) == 0 || t.together(ctx, parts) || len(parts) == 1 {
			continue
		}
		if i := slices.Index(parts, term); i >= 0 && !t.oldTerm {
			t.together(ctx, []*part{term})
			parts = t.withoutHeld(slices.Delete(parts, i, i+1))
			if len(parts) == 1 && !t.over() {
				t.together(ctx, parts)
			}
		}
		switch {
		case len(parts) < 2:
		case group(g) == refused:
			t.oneByOne(ctx, parts)
		default:
			t.inHalves(ctx, parts)
		}
	}
	var errs []error
	for k, p := range t.parts {
		if p.err == nil {
			continue
		}
		t.writer.putBack(k, p)
		known := func(err error) bool { return err.Error() == p.err.Error() }
		if len(errs) < errorsShown && !slices.ContainsFunc(errs, known) {
			errs = append(errs, p.err)
		}
	}
	t.err = errors.Join(errs...)
}

// beginTerm stores the term's part before all others if it failed before. While the writer
// leaves it out, it is still to be stored.
func (t *transaction) beginTerm(ctx context.Context, term *part) {
	k := t.writer.ledger.term.cluster
	switch {
	case term != nil && term.group != well:
		t.together(ctx, []*part{term})
	case term == nil && k.failing.Load():
		t.term = errors.New(k.storing.lastError)
	}
}

// withoutHeld returns the parts that may be stored. While the term's part is not, the others
// have its error.
func (t *transaction) withoutHeld(parts []*part) []*part {
	if t.term == nil {
		return parts
	}
	return slices.DeleteFunc(parts, func(p *part) bool {
		held := len(p.dropped) > 0 || p.became
		if held {
			p.err = t.term
		}
		return held
	})
}

// inHalves stores parts that the store has not taken together: both halves, and then those
// of them that it does not take in halves again, down to those that it does not take by
// themselves, which hold up their own clusters. So most are stored soon. Once giveUpAfter
// parts were refused, what is left has the error of what it was last tried with.
func (t *transaction) inHalves(ctx context.Context, parts []*part) {
	half := len(parts) / 2
	var again [][]*part
	for _, half := range [][]*part{parts[:half], parts[half:]} {
		if t.over() {
			return
		}
		if !t.together(ctx, half) && len(half) > 1 {
			again = append(again, half)
		}
	}
	for _, half := range again {
		t.inHalves(ctx, half)
	}
}

// oneByOne stores parts each by itself, as most of them are refused again: until giveUpAfter
// of them were. The others are the first of the next time.
func (t *transaction) oneByOne(ctx context.Context, parts []*part) {
	failed := 0
	for _, p := range parts {
		if t.over() || failed >= giveUpAfter {
			return
		}
		if !t.together(ctx, []*part{p}) {
			failed++
		}
	}
}

// over reports whether the store is to be left alone.
func (t *transaction) over() bool { return t.oldTerm || t.refused >= giveUpAfter }

// together reports whether the store takes some parts at once, and then tells whoever
// waits for them.
func (t *transaction) together(ctx context.Context, parts []*part) bool {
	err := t.apply(ctx, parts)
	switch {
	case err == nil:
		t.refused = 0
		t.writer.stored(parts)
	case errors.Is(err, ErrOldTerm):
		t.oldTerm = true
	case len(parts) == 1:
		t.refused++
	}
	if len(parts) == 1 && parts[0].cluster == t.writer.ledger.term.cluster {
		t.term = err
	}
	return err == nil
}

// apply stores some parts in one transaction of the store.
func (t *transaction) apply(ctx context.Context, parts []*part) error {
	w := t.writer
	updates := []Update{{Cursor: termKey, Check: w.ledger.checkTerm}}
	records := 0
	for _, p := range parts {
		updates = append(updates, p.updates...)
		records += p.records
	}
	err := w.store.Apply(ctx, updates)
	for _, p := range parts {
		p.err, p.alone = err, len(parts) == 1
		if err == nil {
			for _, b := range p.batches {
				b.written()
			}
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.status.Failures++
		return err
	}
	w.status.Writes++
	w.status.Records += uint64(records)
	w.status.Written = time.Now()
	return nil
}

// putBack makes all of a part dirty again.
func (w *writer) putBack(k *cluster, p *part) {
	for _, b := range p.batches {
		b.putBack()
	}
	if len(p.dropped) > 0 {
		w.mu.Lock()
		w.dropped[k] = append(p.dropped, w.dropped[k]...)
		w.mu.Unlock()
	}
}
