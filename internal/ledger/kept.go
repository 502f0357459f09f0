package ledger

import (
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"maps"
)

// A ledger keeps a little more than cursors: what operators have told the program, which
// must outlive a process as the resume points do, and which whoever delivers next has to
// know before it begins. These are records beside the term, and fall under its check: a
// process of an earlier term changes none. A version that does not know them leaves them.

// What is kept is small.
const (
	// MostKept is how many values a ledger keeps.
	MostKept = 15_000
	// MostKeptBytes bounds a key and its value together.
	MostKeptBytes = 4096
)

// kept is what a ledger keeps by key.
type kept struct {
	values map[string]string
	dirty  map[string]struct{} // keys whose record in the store is behind
}

// Kept returns what the ledger keeps, by key.
func (l *Ledger) Kept() map[string]string {
	l.term.mu.Lock()
	defer l.term.mu.Unlock()
	return maps.Clone(l.term.kept.values)
}

// Keep has the ledger keep a value under a key, or nothing if the value is empty. It is stored
// with the next transaction; FlushKept waits for that. What is too much or too large is refused,
// and changes nothing.
func (l *Ledger) Keep(key, value string) error {
	if len(key)+len(value) > MostKeptBytes {
		return fmt.Errorf("keep %d bytes in the ledger: it keeps at most %d of one", len(key)+len(value), MostKeptBytes)
	}
	t := l.term
	t.mu.Lock()
	defer t.mu.Unlock()
	k := &t.kept
	if _, is := k.values[key]; !is && value != "" && len(k.values) >= MostKept {
		return fmt.Errorf("keep something more in the ledger: it has %d already", MostKept)
	}
	if k.values == nil {
		k.values = map[string]string{}
	}
	if value == "" {
		delete(k.values, key)
	} else {
		k.values[key] = value
	}
	if l.writer != nil {
		k.putBack([]string{key})
	}
	return nil
}

// FlushKept returns once all is stored that was kept when it was called. It fails as Flush
// does.
func (l *Ledger) FlushKept(ctx context.Context) error {
	if l.writer == nil {
		return nil
	}
	return l.flush(ctx, l.term.cluster, "what operators have told")
}

// load reads what a store holds.
func (k *kept) load(records iter.Seq2[[]byte, []byte]) error {
	for key, stored := range records {
		value, ok := verified(key, stored)
		if !ok {
			return fmt.Errorf("%w: what is kept as %q: wrong checksum", ErrCorrupt, key)
		}
		if k.values == nil {
			k.values = map[string]string{}
		}
		k.values[string(key)] = string(value)
	}
	return nil
}

// takeKeptLocked adds what is behind in the store to a transaction.
func (c *Cursor) takeKeptLocked(b *batch, u *Update) {
	for key := range c.kept.dirty {
		r := Record{Key: []byte(key)}
		if value, is := c.kept.values[key]; is {
			r.Value = binary.BigEndian.AppendUint32([]byte(value), checksum(key, []byte(value)))
		}
		u.Records = append(u.Records, r)
		b.kept = append(b.kept, key)
	}
	c.kept.dirty = nil
	c.headDirty, c.headFirst = true, true // records come behind a head
}

// putBack says that the store has something else under these keys, or nothing.
func (k *kept) putBack(keys []string) {
	for _, key := range keys {
		if k.dirty == nil {
			k.dirty = map[string]struct{}{}
		}
		k.dirty[key] = struct{}{}
	}
}
