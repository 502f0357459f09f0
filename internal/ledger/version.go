package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash/fnv"
	"strconv"
)

// Name is an object's name within its stream.
type Name struct {
	Namespace string // empty for cluster-scoped objects
	Name      string
}

// name is a Name in one string, which is also its key in a store: the length
// of the namespace, the namespace, the name.
type name string

func appendName(b []byte, n Name) []byte {
	b = binary.AppendUvarint(b, uint64(len(n.Namespace)))
	b = append(b, n.Namespace...)
	return append(b, n.Name...)
}

// split returns the Name that appendName made n of; it is not ok when there is
// none.
func (n name) split() (_ Name, ok bool) {
	// No more is looked at than a length takes.
	size, k := binary.Uvarint([]byte(n[:min(len(n), binary.MaxVarintLen64)]))
	if k <= 0 || k > 1 && n[k-1] == 0 || size > uint64(len(n)-k) {
		return Name{}, false
	}
	namespace := n[k : k+int(size)]
	return Name{string(namespace), string(n[k+int(size):])}, true
}

// Version is one state of an object. Equal versions are the same state.
type Version struct {
	UID             string
	ResourceVersion string
}

// uid holds a UUID in its 16 bytes. Any other UID is kept as a digest; the
// cursor remembers what it stands for.
type uid [16]byte

// parseUID reports whether s is a UUID in canonical lower-case form, which is
// what format returns.
func parseUID(s string) (u uid, ok bool) {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return u, false
	}
	for n, i := range [16]int{0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34} {
		hi, lo := nibble(s[i]), nibble(s[i+1])
		if hi > 15 || lo > 15 {
			return uid{}, false
		}
		u[n] = hi<<4 | lo
	}
	return u, true
}

func nibble(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	}
	return 255
}

// uidOf returns the short form of a UID; odd says that it is a digest, as that of
// one that is no UUID.
func uidOf(s string) (u uid, odd bool) {
	if u, ok := parseUID(s); ok {
		return u, false
	}
	return digestUID(s), true
}

// digestUID stands for a UID that is no UUID.
func digestUID(s string) (u uid) {
	sum := sha256.Sum256([]byte(s))
	copy(u[:], sum[:])
	return u
}

func (u uid) format() string {
	var b [36]byte
	hex.Encode(b[0:8], u[0:4])
	hex.Encode(b[9:13], u[4:6])
	hex.Encode(b[14:18], u[6:8])
	hex.Encode(b[19:23], u[8:10])
	hex.Encode(b[24:36], u[10:16])
	b[8], b[13], b[18], b[23] = '-', '-', '-', '-'
	return string(b[:])
}

// rv is a resourceVersion. Numbers are kept as they are and are ordered within
// one resource of one cluster; anything else becomes a hash with the top bit
// set and is good for equality only.
type rv uint64

const unordered rv = 1 << 63

func parseRV(s string) rv {
	if n, err := strconv.ParseUint(s, 10, 63); err == nil && (s[0] != '0' || len(s) == 1) {
		return rv(n)
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(s)) // never fails
	return rv(h.Sum64()) | unordered
}

// notAfter reports whether a is known to be no newer than b.
func (a rv) notAfter(b rv) bool { return a&unordered == 0 && b&unordered == 0 && a <= b }

// after reports whether a is known to be newer than b.
func (a rv) after(b rv) bool { return b.notAfter(a) && a != b }

// isBefore reports whether a state of an object is known to come before another one. A
// deletion without a version of its own has that of the state that it ends.
func (a rv) isBefore(deleted bool, b rv, gone bool) bool {
	return a.notAfter(b) && (a != b || gone && !deleted)
}

// version is a Version in 24 bytes.
type version struct {
	uid uid
	rv  rv
}
