package ledgertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-dev/fairlead/internal/ledger"
)

// Content is all that a store holds, by cursor.
type Content map[string]Cursor

// Cursor is what a store holds of one cursor.
type Cursor struct {
	Head    string
	Records map[string]string
}

// Read returns what a store holds.
func Read(ctx context.Context, s ledger.Store) (Content, error) {
	content := Content{}
	err := s.Load(ctx, func(cursor string, head []byte, records iter.Seq2[[]byte, []byte]) error {
		if _, ok := content[cursor]; ok {
			return fmt.Errorf("cursor %q comes twice", cursor)
		}
		c := Cursor{string(head), map[string]string{}}
		for k, v := range records {
			if _, ok := c.Records[string(k)]; ok {
				return fmt.Errorf("record %q of cursor %q comes twice", k, cursor)
			}
			c.Records[string(k)] = string(v)
		}
		content[cursor] = c
		return nil
	})
	return content, err
}

// Apply does to the content what a store does in one transaction.
func (c Content) Apply(updates ...ledger.Update) {
	for _, u := range updates {
		if u.OnlyChecks() {
			continue
		}
		if u.Drop {
			delete(c, u.Cursor)
			continue
		}
		cursor, ok := c[u.Cursor]
		if !ok {
			cursor.Records = map[string]string{}
		}
		if u.Head != nil {
			cursor.Head = string(u.Head)
		}
		for _, r := range u.Records {
			if r.Value == nil {
				delete(cursor.Records, string(r.Key))
			} else {
				cursor.Records[string(r.Key)] = string(r.Value)
			}
		}
		c[u.Cursor] = cursor
	}
}

// suite is one store under test beside what it should hold.
type suite struct {
	*testing.T
	store  ledger.Store
	reopen func() ledger.Store
	want   Content
}

func (s *suite) apply(updates ...ledger.Update) {
	s.Helper()
	if err := s.store.Apply(s.Context(), updates); err != nil {
		s.Fatalf("Apply: %v", err)
	}
	s.want.Apply(updates...)
}

// check compares, before and after the store is opened afresh.
func (s *suite) check() {
	s.Helper()
	for _, when := range []string{"", "after it is opened again: "} {
		if when != "" {
			s.store = s.reopen()
		}
		got, err := Read(s.Context(), s.store)
		if err != nil {
			s.Fatalf("%sLoad: %v", when, err)
		}
		if diff := cmp.Diff(s.want, got); diff != "" {
			s.Fatalf("%scontent (-want +got):\n%s", when, diff)
		}
	}
}

// Run tests a store. Open returns a new one that is empty, and a function that
// closes it and opens it again as another process would.
func Run(t *testing.T, open func(t *testing.T) (store ledger.Store, reopen func() ledger.Store)) {
	for _, tc := range []struct {
		name string
		test func(s *suite)
	}{
		{"an empty store holds nothing", func(s *suite) {}},
		{"what is applied is there", testApplied},
		{"nothing to apply", func(s *suite) { s.apply() }},
		{"a cursor without records", func(s *suite) { s.apply(ledger.Update{Cursor: "a", Head: []byte("h")}) }},
		{"no head leaves the head", testNoHead},
		{"no value removes the record", testNoValue},
		{"an empty value is a value", testEmptyValue},
		{"drop", testDrop},
		{"drop and make again in one transaction", testDropAndMake},
		{"the last update of a record counts", testLastCounts},
		{"keys of any bytes in any order", testKeys},
		{"large values", testLarge},
		{"cursors do not share records", testApart},
		{"the caller's memory is its own", testMemory},
		{"an error of visit ends Load", testVisitFails},
		{"a visitor need not look at records", testVisitorLooksAway},
		{"a transaction that fails changes nothing", testAtomic},
		{"a part of a transaction that fails", testPart},
		{"a check sees the head of before", testCheckSees},
		{"a check that fails changes nothing", testCheckFails},
		{"random transactions", testRandom},
	} {
		t.Run(tc.name, func(t *testing.T) {
			store, reopen := open(t)
			s := &suite{t, store, reopen, Content{}}
			tc.test(s)
			s.check()
		})
	}
}

func record(k, v string) ledger.Record { return ledger.Record{Key: []byte(k), Value: []byte(v)} }

func remove(k string) ledger.Record { return ledger.Record{Key: []byte(k)} }

func update(cursor, head string, records ...ledger.Record) ledger.Update {
	return ledger.Update{Cursor: cursor, Head: []byte(head), Records: records}
}

func testApplied(s *suite) {
	s.apply(update("a", "1", record("x", "1"), record("y", "2")), update("b", "2", record("x", "3")))
	s.check()
	s.apply(update("a", "3", record("y", "4"), record("z", "5")))
}

func testNoHead(s *suite) {
	s.apply(update("a", "head", record("x", "1")))
	s.apply(ledger.Update{Cursor: "a", Records: []ledger.Record{record("x", "2")}})
}

func testNoValue(s *suite) {
	s.apply(update("a", "h", record("x", "1"), record("y", "2")))
	s.apply(ledger.Update{Cursor: "a", Records: []ledger.Record{remove("x"), remove("never there")}})
	s.check()
	s.apply(ledger.Update{Cursor: "a", Records: []ledger.Record{remove("y")}})
}

func testEmptyValue(s *suite) {
	s.apply(update("a", "h", ledger.Record{Key: []byte("x"), Value: []byte{}}))
}

func testDrop(s *suite) {
	s.apply(update("a", "h", record("x", "1")), update("b", "h", record("x", "1")))
	s.apply(ledger.Update{Cursor: "a", Drop: true}, ledger.Update{Cursor: "never there", Drop: true})
}

func testDropAndMake(s *suite) {
	s.apply(update("a", "old", record("x", "1"), record("y", "2")))
	s.apply(ledger.Update{Cursor: "a", Drop: true, Head: []byte("ignored"), Records: []ledger.Record{record("ignored", "1")}},
		update("a", "new", record("y", "3")))
	s.check()
	s.apply(update("c", "h", record("x", "1")), ledger.Update{Cursor: "c", Drop: true})
}

func testLastCounts(s *suite) {
	s.apply(update("a", "1", record("x", "1"), record("x", "2"), record("y", "1"), remove("y"), remove("z"), record("z", "1")),
		update("a", "2", record("x", "3")))
}

func testKeys(s *suite) {
	var records []ledger.Record
	for i := range 256 {
		b := string([]byte{byte(255 - i)})
		records = append(records, record(b, "one"), record("\x00"+b, "two"), record(b+"\x00", "three"))
	}
	s.apply(update("\x00\xff {\"a\":1}", "h", records...))
	s.apply(update("long", "h", record(string(bytes.Repeat([]byte("k"), 4096)), "v")))
}

func testLarge(s *suite) {
	for _, n := range []int{1 << 10, 1 << 12, 1 << 16, 1 << 20} {
		s.apply(update("a", string(bytes.Repeat([]byte("h"), n)), record("x", string(bytes.Repeat([]byte("v"), n)))))
		s.check()
	}
	s.apply(update("a", "small again", record("x", "small again")))
}

func testApart(s *suite) {
	s.apply(update("a", "1", record("x", "1")), update("ab", "2", record("x", "2")), update("b", "3", record("ax", "3")))
	s.apply(ledger.Update{Cursor: "a", Records: []ledger.Record{remove("x")}})
}

func testMemory(s *suite) {
	u := update("a", "head", record("key", "value"))
	s.apply(u)
	for _, b := range [][]byte{u.Head, u.Records[0].Key, u.Records[0].Value} {
		clear(b)
	}
}

func testVisitFails(s *suite) {
	s.apply(update("a", "1", record("x", "1")), update("b", "1", record("x", "1")))
	want, visits := errors.New("enough"), 0
	err := s.store.Load(s.Context(), func(string, []byte, iter.Seq2[[]byte, []byte]) error {
		visits++
		return want
	})
	if !errors.Is(err, want) || visits != 1 {
		s.Errorf("Load returned %v after %d visits, want %v after one", err, visits, want)
	}
}

func testVisitorLooksAway(s *suite) {
	s.apply(update("a", "1", record("x", "1"), record("y", "1")), update("b", "1", record("x", "1")))
	visits := 0
	if err := s.store.Load(s.Context(), func(_ string, _ []byte, records iter.Seq2[[]byte, []byte]) error {
		if visits++; visits == 2 {
			for range records {
				break
			}
		}
		return nil
	}); err != nil || visits != 2 {
		s.Errorf("Load: %v after %d visits", err, visits)
	}
}

// A record that no store can hold stands for whatever goes wrong halfway.
func testAtomic(s *suite) {
	s.apply(update("a", "old", record("x", "old")), update("b", "old"))
	bad := []ledger.Update{
		update("a", "new", record("x", "new"), record("y", "new")),
		{Cursor: "b", Drop: true},
		update("c", "new", record("x", "new"), record("", "a record without a key")),
	}
	for range 3 {
		if err := s.store.Apply(s.Context(), bad); err == nil {
			s.Fatal("Apply of a record without a key did not fail")
		}
		s.check()
	}
	bad[2].Records = bad[2].Records[:1]
	s.apply(bad...)
}

// What was wrong with a transaction leaves the store as good as before: each of the
// cursors that it was about may be stored by itself, and only the bad one may not.
func testPart(s *suite) {
	s.apply(update("a", "old", record("x", "old")), update("b", "old", record("x", "old")))
	bad := update("b", "new", record("x", "new"), record("", "a record without a key"))
	for i := range 3 {
		good := update("a", fmt.Sprint("new ", i), record("x", fmt.Sprint("new ", i)))
		if err := s.store.Apply(s.Context(), []ledger.Update{good, bad}); err == nil {
			s.Fatal("Apply of a record without a key did not fail")
		}
		s.apply(good)
		if err := s.store.Apply(s.Context(), []ledger.Update{bad}); err == nil {
			s.Fatal("Apply of a record without a key did not fail")
		}
		s.apply(update("c", "new", record("x", fmt.Sprint("new ", i))))
		s.check()
	}
	bad.Records = bad.Records[:1]
	s.apply(bad)
}

func testCheckSees(s *suite) {
	var seen []string
	see := func(head []byte) error {
		if head == nil {
			seen = append(seen, "none")
		} else {
			seen = append(seen, string(head))
		}
		return nil
	}
	s.apply(ledger.Update{Cursor: "a", Check: see})
	s.check() // which makes no cursor
	first, second := update("a", "1"), update("a", "2")
	first.Check, second.Check = see, see
	s.apply(first)
	seen = seen[:min(len(seen), 2)]
	s.apply(first, second, update("b", "3"))
	if want := []string{"none", "none", "1"}; len(seen) < 3 || !cmp.Equal(want, seen[:3]) || seen[len(seen)-1] != "1" {
		s.Errorf("the checks saw %q, want %q and all of a transaction what is before it", seen, want)
	}
	s.apply(ledger.Update{Cursor: "a", Drop: true}, ledger.Update{Cursor: "a", Check: see})
	if last := seen[len(seen)-1]; last != "2" {
		s.Errorf("a check beside the removal saw %q, want 2", last)
	}
	s.apply(ledger.Update{Cursor: "a", Check: see})
	if last := seen[len(seen)-1]; last != "none" {
		s.Errorf("a check after the removal saw %q, want none", last)
	}
}

func testCheckFails(s *suite) {
	s.apply(update("a", "1", record("x", "1")), update("b", "1"))
	why := errors.New("not like this")
	refuse := func([]byte) error { return why }
	checked := update("a", "2", record("x", "2"))
	checked.Check = refuse
	for _, updates := range [][]ledger.Update{
		{checked},
		{update("b", "2"), checked},
		{{Cursor: "never there", Check: refuse}, update("b", "2"), {Cursor: "a", Drop: true}},
		{update("b", "2"), {Cursor: "a", Drop: true}, {Cursor: "b", Check: refuse}},
	} {
		if err := s.store.Apply(s.Context(), updates); !errors.Is(err, why) {
			s.Errorf("Apply: %v, want the error of the check", err)
		}
		s.check()
	}
}

func testRandom(s *suite) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		var updates []ledger.Update
		for range 1 + r.IntN(3) {
			u := ledger.Update{Cursor: string("abc"[r.IntN(3)]), Drop: r.IntN(10) == 0}
			if _, ok := s.want[u.Cursor]; r.IntN(2) == 0 || !ok {
				u.Head = fmt.Append(nil, r.Int())
			}
			for range r.IntN(40) {
				rec := record(fmt.Sprint("key ", r.IntN(200)), string(bytes.Repeat([]byte{'v'}, r.IntN(300))))
				if r.IntN(3) == 0 {
					rec.Value = nil
				}
				u.Records = append(u.Records, rec)
			}
			updates = append(updates, u)
			if u.Drop && u.Head == nil {
				updates = append(updates, update(u.Cursor, "again"))
			}
		}
		s.apply(updates...)
		if r.IntN(20) == 0 {
			s.check()
		}
	}
}
