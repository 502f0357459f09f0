package ledger

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"time"
)

// ErrCorrupt is wrapped by the errors of a ledger whose content cannot be
// what was written.
var ErrCorrupt = errors.New("corrupt")

// head is what is stored of a cursor beside its objects.
type head struct {
	ID StreamID `json:"id"`
	// Digest is that of the server's URL and CA at the last connection. The other
	// fields of an Identity are as there; Was has the digests that stood in the
	// place of the UID before it could be read.
	Digest   string   `json:"digest,omitempty"`
	Was      []string `json:"was,omitempty"`
	Default  string   `json:"defaultUID,omitempty"`
	Service  string   `json:"serviceUID,omitempty"`
	Replaced bool     `json:"replaced,omitempty"`
	// Resume is the resume point; empty before the first snapshot is acked.
	Resume string `json:"resume,omitempty"`
	// Selection is what the stream follows of the resource, Form as what its
	// states are delivered. Due is the number under which what is acked is not due.
	Selection  Selection `json:"selection,omitzero"`
	Form       string    `json:"form,omitempty"`
	Due        uint32    `json:"due,omitempty"`
	Generation uint32    `json:"generation,omitempty"`
	// Clean says that all that was handed over is acked, and that this is stored. A
	// version that does not know it loses it, which costs ids of repeats alone; so it is
	// written if it is false, too.
	Clean bool `json:"x-clean"`
	// Digests says that the digests in the records are to be relied on. A version that
	// does not know them loses it.
	Digests bool `json:"x-digests,omitempty"`
	// Told says that sinks were told that all objects are gone; see Retire.
	Told bool `json:"told,omitempty"`
	// Limit is above all sequences that were handed over.
	Limit uint64 `json:"sequence,omitempty"`
	// Meaning is zero in heads that were written before there was such a field.
	Meaning Meaning `json:"meaning,omitzero"`
	// Unwatched is since when nobody follows it, RouteGone since when there is no
	// such sink, Left since when the cluster is not in the fleet; zero while it is
	// otherwise. For how long processes have run since then, in nanoseconds, is beside it:
	// a version that did not know that leaves 0, and what it counted begins anew.
	Unwatched    time.Time     `json:"unwatched,omitzero"`
	UnwatchedFor time.Duration `json:"x-unwatchedFor,omitzero"`
	RouteGone    time.Time     `json:"routeGone,omitzero"`
	RouteGoneFor time.Duration `json:"x-routeGoneFor,omitzero"`
	Left         time.Time     `json:"left,omitzero"`
	LeftFor      time.Duration `json:"x-leftFor,omitzero"`
	// Term is the highest one, in the head that is of no cursor. There, Generation is
	// what new cursors begin with. Lock, Token and Process are as in a Term: a version
	// that does not know them goes on in a higher term and loses them.
	Term    uint64 `json:"term,omitempty"`
	Lock    string `json:"x-lock,omitempty"`
	Token   uint64 `json:"x-token,omitempty"`
	Process string `json:"x-process,omitempty"`
	// DigestKey is there, too: see Ledger.DigestKey.
	DigestKey []byte `json:"x-digestKey,omitempty"`

	sinks  []string // that an earlier version delivered to
	before bool     // written by a version that does not know Clean
}

// encode returns JSON and a checksum of it and the cursor's key.
func (h head) encode(cursor string) []byte {
	b, err := json.Marshal(h)
	if err != nil {
		panic(err) // strings and a time
	}
	return binary.BigEndian.AppendUint32(b, checksum(cursor, b))
}

func decodeHead(cursor string, encoded []byte) (h head, err error) {
	b, ok := verified(cursor, encoded)
	if !ok {
		return h, fmt.Errorf("%w: head of cursor %q: wrong checksum", ErrCorrupt, cursor)
	}
	var stored storedHead
	if err := stored.decode(b); err != nil {
		return h, fmt.Errorf("%w: head of cursor %q: %w", ErrCorrupt, cursor, err)
	}
	return stored.read(), nil
}

// known is all that is stored of one object.
type known struct {
	acked              version
	deleted            rv
	isAcked, isDeleted bool
	unacked            []version
	due                uint32 // of the head when it was acked
	digest             uint64 // of the acked state; 0: it is not known
}

// A record is: flags, then acked (UID, version), then the deletion (version),
// then the unacked UIDs, then the due number unless it is 0, then sections of a length
// and as many bytes, which a version that does not know them may leave out, each as
// far as the flags say, then a checksum of key and value. A UID is 16 bytes, or,
// after a 1, a length and a string.
const (
	hasAcked   = 1 << iota
	hasDeleted // a deletion is remembered
	hasUnacked
	hasDue
	hasSections = 1 << 7

	allFlags = hasAcked | hasDeleted | hasUnacked | hasDue | hasSections
)

// A section begins with a byte that says what it is.
const digestSection = 1 // the digest of the acked state, in 8 bytes

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum[K string | []byte](key K, value []byte) uint32 {
	return crc32.Update(crc32.Checksum([]byte(key), castagnoli), castagnoli, value)
}

// verified returns what precedes the checksum, if that is right.
func verified[K string | []byte](key K, stored []byte) (value []byte, ok bool) {
	if len(stored) < 4 {
		return nil, false
	}
	value, sum := stored[:len(stored)-4], stored[len(stored)-4:]
	return value, checksum(key, value) == binary.BigEndian.Uint32(sum)
}

// encodeLocked appends the record of an object to b, nothing if nothing is known
// of it.
func (c *Cursor) encodeLocked(b, key []byte, n name) []byte {
	var flags byte
	acked := c.acked.get(key)
	deleted, isDeleted := c.deleted[n]
	unacked := c.unackedUIDs[n]
	if p := c.pending[n]; p != nil && p.prewritten.number != 0 {
		unacked = append(unacked[:len(unacked):len(unacked)], p.prewritten.version)
	}
	if acked != nil {
		flags |= hasAcked
	}
	if isDeleted {
		flags |= hasDeleted
	}
	if len(unacked) > 0 {
		flags |= hasUnacked
	}
	if flags == 0 {
		return b
	}
	due := uint32(0)
	if acked != nil {
		due = c.dueNumberLocked(acked)
	}
	if due > 0 {
		flags |= hasDue
	}
	digest := c.acked.digest(key)
	if digest != 0 {
		flags |= hasSections
	}
	start := len(b)
	b = append(b, flags)
	if acked != nil {
		b = c.appendUIDLocked(b, acked.uid)
		b = binary.BigEndian.AppendUint64(b, uint64(acked.rv))
	}
	if isDeleted {
		b = binary.BigEndian.AppendUint64(b, uint64(deleted))
	}
	if len(unacked) > 0 {
		b = binary.AppendUvarint(b, uint64(len(unacked)))
		for _, u := range unacked {
			b = c.appendUIDLocked(b, u.uid)
			b = binary.BigEndian.AppendUint64(b, uint64(u.rv))
		}
	}
	if due > 0 {
		b = binary.AppendUvarint(b, uint64(due))
	}
	if digest != 0 {
		b = append(binary.AppendUvarint(b, 1+8), digestSection)
		b = binary.BigEndian.AppendUint64(b, digest)
	}
	return binary.BigEndian.AppendUint32(b, checksum(key, b[start:]))
}

func (c *Cursor) appendUIDLocked(b []byte, u uid) []byte {
	if s, ok := c.nonUUIDs[u]; ok {
		b = append(b, 1)
		b = binary.AppendUvarint(b, uint64(len(s)))
		return append(b, s...)
	}
	b = append(b, 0)
	return append(b, u[:]...)
}

// decodeRecord reads a record. It calls nonUUID with each UID that is no UUID.
func decodeRecord(key, value []byte, nonUUID func(uid, string)) (k known, err error) {
	if _, ok := name(key).split(); !ok {
		return k, fmt.Errorf("%w: key %q is no name", ErrCorrupt, key)
	}
	b, ok := verified(key, value)
	if !ok || len(b) == 0 {
		return k, fmt.Errorf("%w: record of %q: wrong checksum", ErrCorrupt, key)
	}
	r := reader{b: b[1:], nonUUID: nonUUID}
	if k.isAcked = b[0]&hasAcked != 0; k.isAcked {
		k.acked = version{r.uid(), rv(r.uint64())}
	}
	if k.isDeleted = b[0]&hasDeleted != 0; k.isDeleted {
		k.deleted = rv(r.uint64())
	}
	if b[0]&hasUnacked != 0 {
		for range r.uvarint() {
			k.unacked = append(k.unacked, version{r.uid(), rv(r.uint64())})
			if r.short {
				break
			}
		}
	}
	if b[0]&hasDue != 0 {
		k.due = uint32(min(r.uvarint(), math.MaxUint32))
	}
	for b[0]&hasSections != 0 && len(r.b) > 0 {
		if s := r.take(r.uvarint()); len(s) == 1+8 && s[0] == digestSection {
			k.digest = KeptDigest(binary.BigEndian.Uint64(s[1:])) // of a version that kept all of it, too
		}
	}
	if r.short || len(r.b) > 0 || b[0]&^allFlags != 0 {
		return known{}, fmt.Errorf("%w: record of %q has another form", ErrCorrupt, key)
	}
	return k, nil
}

// reader takes values off b; short is set once there are too few bytes.
type reader struct {
	b       []byte
	nonUUID func(uid, string)
	short   bool
}

func (r *reader) take(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.short, r.b = true, nil
		return nil
	}
	taken := r.b[:n]
	r.b = r.b[n:]
	return taken
}

func (r *reader) uint64() uint64 {
	if b := r.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (r *reader) uvarint() uint64 {
	n, size := binary.Uvarint(r.b)
	if size <= 0 {
		r.short, r.b = true, nil
		return 0
	}
	r.b = r.b[size:]
	return n
}

func (r *reader) uid() (u uid) {
	kind := r.take(1)
	switch {
	case kind == nil:
	case kind[0] == 0:
		copy(u[:], r.take(16))
	case kind[0] == 1:
		if s := r.take(r.uvarint()); !r.short {
			u = digestUID(string(s))
			r.nonUUID(u, string(s))
		}
	default:
		r.short = true
	}
	return u
}
