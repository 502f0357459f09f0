package ledger

import (
	"errors"
	"testing"

	"github.com/go-logr/logr"

	"github.com/fairlead-dev/fairlead/internal/synctest"
)

// A transaction looks at the cursors that the store is behind of, however many others there
// are, also while the store refuses those of some clusters.
func TestATransactionLooksAtWhatIsBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &testStore{memStore: newMemStore()}
		l, err := Open(t.Context(), Options{Store: store, Log: logr.Discard()})
		if err != nil {
			t.Fatal(err)
		}
		var all []*Cursor
		for i := range 400 {
			for _, resource := range []string{"pods", "nodes", "services"} {
				c, _ := l.claimAs(StreamID{Cluster: uuid(i), Resource: resource}, "d")
				c.BeginSnapshot()
				endSnapshot(c, "10")
				c.Seen("10")
				all = append(all, c)
			}
		}
		w, n := l.writer, 0
		commit := func(what string, everything bool, most int, want error) {
			t.Helper()
			before, walked := w.looked, l.looked
			if err := w.commit(t.Context(), everything); !errors.Is(err, want) {
				t.Fatalf("%s: %v", what, err)
			}
			if looked := w.looked - before + l.looked - walked; looked > most {
				t.Errorf("%s looks at %d cursors, want at most %d", what, looked, most)
			}
		}
		hand := func(c *Cursor) (ack func()) {
			n++
			name, v := pod(n), at20(n)
			sequence, _ := c.observe(name, v, false, false)
			c.begin(sequence, name, v, false)
			return func() { c.Ack(sequence, name, v, false) }
		}
		commit("the first transaction", true, 2*len(all), nil)
		commit("the second one", true, 0, nil)
		commit("one at rest", true, 0, nil)
		hand(all[7])
		commit("an intent", false, 1, nil)
		var acks []func()
		for _, c := range all[100:120] {
			acks = append(acks, hand(c))
		}
		commit("the intents of others", false, 21, nil)
		for _, ack := range acks {
			ack()
		}
		hand(all[7])
		rest := &w.behind.rest[0]
		commit("an intent while others have acks", false, 21, nil)
		if rest != &w.behind.rest[0] {
			t.Error("a transaction with an intent goes through those that have acks")
		}
		hand(all[8])
		commit("an intent of another one", false, 2, nil)
		commit("everything", true, 23, nil)
		commit("everything again", true, 0, nil)

		// Three clusters cannot be stored.
		bad := all[30:39]
		refused := map[string]bool{}
		for _, c := range bad {
			refused[c.key] = true
			hand(c)
		}
		store.refuseIf(func(updates []Update) bool {
			for _, u := range updates {
				if refused[u.Cursor] {
					return true
				}
			}
			return false
		})
		hand(all[7])
		commit("what is refused", false, 11, errPoison)
		hand(all[7])
		commit("an intent beside what is refused", false, 20, errPoison)
		hand(all[7])
		commit("and everything", true, 20, errPoison)
		store.refuseIf(nil)
		commit("what was refused", false, 20, nil)
		commit("what is left", true, 20, nil)
		commit("rest again", true, 0, nil)
	})
}
