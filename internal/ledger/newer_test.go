package ledger

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"
)

// rewrite has the head and a record of what fill stores as another version would have
// written them.
func (s *stored) rewrite(head func(string) string, record func([]byte) []byte) {
	for key, encoded := range s.store.heads {
		s.store.heads[key] = appendSum([]byte(head(string(encoded[:len(encoded)-4]))), key)
		for k, encoded := range s.store.records[key] {
			value := record(slices.Clone(encoded[:len(encoded)-4]))
			s.store.records[key][k] = binary.BigEndian.AppendUint32(value, checksum(k, value))
		}
	}
}

// What a newer version marks as ignorable is ignored, and what it does not is refused:
// nobody knows what it means.
func TestWhatNewerVersionsWrite(t *testing.T) {
	sections := func(b []byte) []byte {
		b[0] |= hasSections
		b = append(b, 3, 'a', 'b', 'c')
		return append(b, 0)
	}
	head := func(field string) func(string) string {
		return func(h string) string { return strings.TrimSuffix(h, "}") + "," + field + "}" }
	}
	sameHead, sameRecord := func(h string) string { return h }, func(b []byte) []byte { return b }
	for name, test := range map[string]struct {
		head   func(string) string
		record func([]byte) []byte
		ok     bool
	}{
		"nothing new":                            {sameHead, sameRecord, true},
		"a field that may be ignored":            {head(`"x-hint":{"id":[1]}`), sameRecord, true},
		"one that may not":                       {head(`"hint":1`), sameRecord, false},
		"sections":                               {sameHead, sections, true},
		"a section that is cut":                  {sameHead, func(b []byte) []byte { return append(sections(b), 9, 1) }, false},
		"a section without a length":             {sameHead, func(b []byte) []byte { return append(sections(b), 0x80) }, false},
		"bytes that are in no section":           {sameHead, func(b []byte) []byte { return append(b, 0) }, false},
		"a flag that nobody knows":               {sameHead, func(b []byte) []byte { b[0] |= 1 << 6; return b }, false},
		"a flag that nobody knows, and sections": {sameHead, func(b []byte) []byte { b = sections(b); b[0] |= 1 << 5; return b }, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStored(t)
			c, _ := s.claim("uid", "digest")
			s.fill(c)
			s.commit(true)
			s.rewrite(test.head, test.record)
			if _, err := Open(t.Context(), Options{Store: s.store}); (err == nil) != test.ok || err != nil && !errors.Is(err, ErrCorrupt) {
				t.Fatalf("opened: %v", err)
			}
			if _, err := Describe(t.Context(), s.store); (err == nil) != test.ok {
				t.Fatalf("described: %v", err)
			}
			if !test.ok {
				return
			}
			s.open()
			c, _ = s.claim("uid", "digest")
			s.wantKnown(c, "20", 2)
			if got := s.fillAgain(c, 2); got != 0 {
				t.Errorf("delivers %d again", got)
			}
			s.endAgain(c)
			s.hand(c, 1, at(uid3, 30), false, false)
			s.commit(true) // as this version writes it
			s.open()
			c, _ = s.claim("uid", "digest")
			s.wantKnown(c, "20", 2)
		})
	}
}

// Where nothing is due, a record is as long as before there was such a number.
func TestRecordsHaveNoNumberWhereNothingIsDue(t *testing.T) {
	s := newStored(t)
	c, _ := s.claim("uid", "digest")
	s.fill(c)
	key := nameOfTest(pod(2))
	if n := len(c.encodeLocked(nil, []byte(key), key)); n != 1+1+16+8+4 {
		t.Errorf("a record of %d bytes", n)
	}
}
