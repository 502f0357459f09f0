package clusters

import "context"

// TrustAll lets voters count that have lost what they knew, so that a test need not
// wait for a lease duration after it has deleted the Leases.
func (l *Lock) TrustAll() { l.rules.noSuspects = true }

// Settle waits for the requests that are still under way.
func (l *Lock) Settle() { l.running.Wait() }

// Look is Get that waits for all voters.
func Look(ctx context.Context, l *Lock) error {
	_, _, err := l.Get(ctx)
	l.running.Wait()
	return err
}
