package bolt

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"go.etcd.io/bbolt"

	"github.com/fairlead-dev/fairlead/internal/ledger"
)

// sum is over all heads and records of the file, in whatever order. What is
// kept of each can be told to be right by itself; that none is missing can not.
type sum struct{ n, total uint64 }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (s *sum) add(cursor, kind, key, value []byte) {
	s.n++
	s.total += entrySum(cursor, kind, key, value)
}

func (s *sum) remove(cursor, kind, key, value []byte) {
	s.n--
	s.total -= entrySum(cursor, kind, key, value)
}

// The kinds of entries.
var (
	aHead   = []byte("h")
	aRecord = []byte("r")
)

func entrySum(cursor, kind, key, value []byte) uint64 {
	c := crc32.Update(0, castagnoli, cursor)
	c = crc32.Update(c, castagnoli, kind)
	c = crc32.Update(c, castagnoli, key)
	c = crc32.Update(c, castagnoli, value)
	return uint64(c)
}

func (s sum) store(meta *bbolt.Bucket) error {
	b := binary.BigEndian.AppendUint64(nil, s.n)
	return meta.Put(sumKey, binary.BigEndian.AppendUint64(b, s.total))
}

func loadSum(meta *bbolt.Bucket) (s sum, err error) {
	b := meta.Get(sumKey)
	if len(b) != 16 {
		return s, fmt.Errorf("%w: it has no sum", ledger.ErrCorrupt)
	}
	return sum{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])}, nil
}
