package election

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
)

// tokens is a lock that gives a token.
type tokens struct {
	*client
	token atomic.Uint64
}

func (f *tokens) Token() uint64 { return f.token.Load() }

// TestTokenIsTheLocks: it counts from the first write that succeeds, and stays for the
// term.
func TestTokenIsTheLocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &tokens{client: &client{hub: &hub{}, identity: "a"}}
		l.token.Store(41)
		e, err := New(usual, l, discard)
		if err != nil {
			t.Fatal(err)
		}
		if got := e.Token(); got != 0 {
			t.Errorf("token %d before the term", got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		err = e.Run(ctx, func(ctx, _ context.Context) (bool, error) {
			if got := e.Token(); got != 41 {
				t.Errorf("token %d, want the lock's", got)
			}
			l.token.Store(42)
			<-ctx.Done()
			if got := e.Token(); got != 41 {
				t.Errorf("token %d at the end of the term that began with 41", got)
			}
			return true, nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// TestTokenOfOtherLocks counts transitions.
func TestTokenOfOtherLocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hub{}
		for want := uint64(1); want < 4; want++ {
			p := join(t, h, fmt.Sprint("process-", want))
			<-p.term
			if got := p.Token(); got != want {
				t.Errorf("token %d, want %d", got, want)
			}
			end(t, p)
		}
	})
}
