package clusters

// TrustAll lets voters count that have lost what they knew, so that a test need not
// wait for a lease duration after it has deleted the Leases.
func (l *Lock) TrustAll() { l.rules.noSuspects = true }
