package ledger

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"maps"
	"reflect"
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
	within := func(object, field string) func(string) string {
		return func(h string) string { return strings.Replace(h, `"`+object+`":{`, `"`+object+`":{`+field+",", 1) }
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
		"one in an object that may be ignored":   {within("id", `"x-hint":{"hint":[1]}`), sameRecord, true},
		"one there that may not":                 {within("id", `"hint":1`), sameRecord, false},
		"one in the selection":                   {head(`"selection":{"x-hint":18446744073709551615}`), sameRecord, true},
		"one there that selects":                 {head(`"selection":{"hint":"a"}`), sameRecord, false},
		"a field that is known, of another type": {head(`"x-hint":1,"x-clean":"yes"`), sameRecord, false},
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

// Whatever head this version reads, it reads the same one with an ignorable field more in
// any of its objects, and refuses it with another one.
func FuzzHeads(f *testing.F) {
	f.Add([]byte(oldHead), uint(1))
	f.Add([]byte(`{"id":{"cluster":"a","labels":"app=web"},"sinks":["a"],"owed":true,"x-clean":true,"x-hint":{"hint":[{}]}}`), uint(0))
	f.Add([]byte(`{"id":{"x-hint":1,"route":"r"},"selection":{"where":"true"},"sequence":18446744073709551615,"left":"2026-01-02T03:04:05Z","x-leftFor":7}`), uint(2))
	f.Add([]byte(`{"meaning":{"name":"pods","version":"v1","kind":"Pod","namespaced":true},"was":["a"],"x-digestKey":"AAA="}`), uint(1))
	f.Fuzz(func(t *testing.T, b []byte, at uint) {
		var first storedHead
		if first.decode(b) != nil {
			return
		}
		encoded := first.read().encode("c")
		if again, err := decodeHead("c", encoded); err != nil || !reflect.DeepEqual(again.encode("c"), encoded) {
			t.Fatalf("%s is written as %s, which is read as %+v, %v", b, encoded, again, err)
		}
		read := func(field string) (storedHead, error) {
			d := json.NewDecoder(bytes.NewReader(b))
			d.UseNumber()
			var all any
			if err := d.Decode(&all); err != nil {
				t.Fatal(err)
			}
			if objects := jsonObjects(all); field != "" && len(objects) > 0 {
				objects[at%uint(len(objects))][field] = []any{map[string]any{"hint": 1}}
			}
			b, err := json.Marshal(all)
			if err != nil {
				t.Fatal(err)
			}
			var s storedHead
			return s, s.decode(b)
		}
		is, err := read("")
		if err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		if with, err := read("x-of-a-newer-version"); err != nil || !reflect.DeepEqual(with, is) {
			t.Errorf("%s with something ignorable: %+v, %v; want %+v", b, with, err, is)
		}
		if _, err := read("of-a-newer-version"); err == nil && string(bytes.TrimSpace(b)) != "null" {
			t.Errorf("%s with something that is not ignorable is read", b)
		}
	})
}

// jsonObjects returns the objects in a value that are in nothing ignorable.
func jsonObjects(value any) (all []map[string]any) {
	switch value := value.(type) {
	case map[string]any:
		all = append(all, value)
		for _, name := range slices.Sorted(maps.Keys(value)) {
			if !strings.HasPrefix(name, ignorable) {
				all = append(all, jsonObjects(value[name])...)
			}
		}
	case []any:
		for _, v := range value {
			all = append(all, jsonObjects(v)...)
		}
	}
	return all
}
