package ledger

import (
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
)

// A cluster expires while the store refuses its part, or while a transaction is under way
// that fails, and comes back: the store never holds two cursors of one stream.
func TestBackBeforeItHasLeftTheStore(t *testing.T) {
	for name, underWay := range map[string]bool{"refused": false, "under way": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStored(t)
				w := s.ledger.writer
				c, _ := s.claim("uid", "")
				s.fill(c)
				s.commit(true)
				c.mu.Lock()
				c.headDirty = true
				c.mu.Unlock()
				back := func() {
					s.ledger.Drop(c.ID())
					s.ledger.setJoined("a", false)
				}
				if underWay {
					s.ledger.Drop(c.ID())
					back = func() { s.ledger.setJoined("a", false) }
				}
				s.store.around = func(func() error) error {
					if underWay {
						back()
					}
					return errPoison
				}
				if err := w.commit(t.Context(), true); err == nil {
					t.Fatal("the store has not failed")
				}
				s.store.around = nil
				if !underWay {
					back()
				}
				w.retryAt = time.Now().Add(time.Hour)
				s.claim("uid", "")
				s.commit(true)
				s.reopened()
				w.retryAt = time.Time{}
				s.commit(true)
				s.reopened()

				again, _ := s.claim("uid", "")
				s.ledger.Drop(again.ID())
				s.commit(true)
				if n := len(s.ledger.clusters); n != 0 {
					t.Errorf("%d clusters are known after the last has left the store", n)
				}
			})
		})
	}
}

// reopened opens the ledger as after a crash, beside the one that there is.
func (s *stored) reopened() {
	s.Helper()
	if _, err := Open(s.Context(), Options{Store: s.store}); err != nil {
		s.Errorf("the ledger cannot be opened after a crash: %v", err)
	}
}
