package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fairlead-dev/fairlead/internal/ledger"
)

// refusedPoll is how often a leader that the ledger refuses asks it again.
const refusedPoll = 5 * time.Second

// whenAccepted opens the ledger. If that refuses the token of this leader, whenAccepted
// closes it and asks again after a while, until it accepts the token or ctx ends. In the
// meantime nothing is delivered, and the lock is kept: the next leader would be refused
// likewise. If another process has led since, the lock soon shows that, and the term
// ends. If not, somebody has to decide, who needs the ledger closed for it.
func (p *program) whenAccepted(ctx context.Context, open func() error) error {
	for {
		err := open()
		if !errors.Is(err, ledger.ErrLowerToken) {
			if err == nil && p.refused.Swap(nil) != nil {
				p.log.Info("The ledger accepts the fencing token now")
			}
			return err
		}
		p.closeStore()
		p.store = nil
		if why := err.Error(); p.refused.Swap(&why) == nil {
			p.log.Error(err, "The ledger refuses the fencing token of this leader; nothing is delivered until it accepts it", "askedAgainEvery", refusedPoll)
		}
		// Counted from here, so that the ledger is closed for long enough, however long it
		// takes to read.
		pause := time.NewTimer(refusedPoll)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return fmt.Errorf("wait for the ledger to accept the fencing token: %w: %w", context.Cause(ctx), err)
		}
	}
}
