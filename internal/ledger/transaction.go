package ledger

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"
)

// giveUpAfter is how many clusters' parts in a row may fail, when they are stored
// one by one, before the store is left alone until the next time.
const giveUpAfter = 64

// errorsShown bounds how many errors of clusters that differ make one.
const errorsShown = 4

// transaction is what there is to store at one moment, by cluster. Nothing of one
// cluster depends on that of another, so each part may be stored by itself.
type transaction struct {
	writer  *writer
	parts   map[*cluster]*part
	skipped bool  // clusters that fail are left out
	err     error // of what is not stored
	stored  int   // parts
}

// part is what a transaction stores of one cluster, and how to take that back.
type part struct {
	updates []Update
	dropped []string
	batches []batch
	records int
	bytes   int   // of keys and values
	failing bool  // the last attempt at the cluster's part has failed
	err     error // of the last one to store it; nil: it is stored
}

func (t *transaction) part(k *cluster) *part {
	p := t.parts[k]
	if p == nil {
		p = &part{failing: k.failing.Load()}
		t.parts[k] = p
	}
	return p
}

func (t *transaction) add(b batch, u Update) {
	p := t.part(b.cursor.cluster)
	p.batches = append(p.batches, b)
	p.updates = append(p.updates, u)
	p.records += len(u.Records)
	p.bytes += len(u.Head)
	for _, r := range u.Records {
		p.bytes += len(r.Key) + len(r.Value)
	}
}

// store stores the parts, all at once if the store takes them: those of clusters
// whose last one it took, and then those of the others. When it does not take
// them together it is given one by one, the smallest first, as one that is full
// has room for little: what it does not take holds up its own cluster.
func (t *transaction) store(ctx context.Context) {
	var well, failing []*part
	for _, p := range t.parts {
		if p.failing {
			failing = append(failing, p)
		} else {
			well = append(well, p)
		}
	}
	for _, parts := range [][]*part{well, failing} {
		if len(parts) == 0 {
			continue
		}
		err := t.apply(ctx, parts)
		if err != nil && len(parts) > 1 && !errors.Is(err, ErrOldTerm) {
			t.oneByOne(ctx, parts)
		}
	}
	var errs []error
	for k, p := range t.parts {
		if p.err == nil {
			t.stored++
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

func (t *transaction) oneByOne(ctx context.Context, parts []*part) {
	slices.SortFunc(parts, func(a, b *part) int { return cmp.Compare(a.bytes, b.bytes) })
	inARow := 0
	for _, p := range parts {
		if inARow == giveUpAfter {
			return // with the error of all of them together
		}
		if inARow++; t.apply(ctx, []*part{p}) == nil {
			inARow = 0
		}
	}
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
		p.err = err
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
