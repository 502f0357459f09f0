package ledger

import (
	"context"
	"fmt"
	"iter"
	"strconv"
)

// Dump is what a store holds of one cursor.
type Dump struct {
	ID     StreamID
	Resume string // the resume point; empty if there is none
	// Selection is what the stream followed that had the cursor last.
	Selection Selection
	Objects   map[Name]DumpedObject
}

// DumpedObject is what a store holds of one object.
type DumpedObject struct {
	Acked       Version  // the state that every sink accepted; zero if there is none
	UnackedUIDs []string // UIDs that the sink may hold besides the accepted one
	// Intended is the version of the newest state that the sink may hold besides; empty
	// if there is none. A watch that shows an older one leaves that out.
	Intended string
	Deleted  string // version of an acked deletion that is still remembered; empty if there is none
}

// ReadAll returns everything that a store holds, for those who look at it from
// outside. A resourceVersion that is no number was stored as a hash and comes
// back as "?".
func ReadAll(ctx context.Context, store Store) ([]Dump, error) {
	var all []Dump
	err := store.Load(ctx, cursorsOnly(func(cursor string, stored []byte, records iter.Seq2[[]byte, []byte]) error {
		h, err := decodeHead(cursor, stored)
		if err != nil {
			return err
		}
		d := Dump{ID: h.ID, Resume: h.Resume, Selection: h.Selection, Objects: map[Name]DumpedObject{}}
		all = append(all, d)
		nonUUIDs := map[uid]string{}
		format := func(u uid) string {
			if s, ok := nonUUIDs[u]; ok {
				return s
			}
			return u.format()
		}
		for key, value := range records {
			k, err := decodeRecord(key, value, func(u uid, s string) { nonUUIDs[u] = s })
			if err != nil {
				return err
			}
			n, _ := name(key).split()
			var o DumpedObject
			if k.isAcked {
				o.Acked = Version{format(k.acked.uid), k.acked.rv.format()}
			}
			for _, u := range k.unacked {
				o.UnackedUIDs, o.Intended = append(o.UnackedUIDs, format(u.uid)), u.rv.format()
			}
			if k.isDeleted {
				o.Deleted = k.deleted.format()
			}
			d.Objects[n] = o
		}
		return nil
	}))
	if err != nil {
		return nil, fmt.Errorf("read the ledger: %w", err)
	}
	return all, nil
}

func (a rv) format() string {
	if a&unordered != 0 {
		return "?"
	}
	return strconv.FormatUint(uint64(a), 10)
}
