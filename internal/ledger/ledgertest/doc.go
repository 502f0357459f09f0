// Package ledgertest holds what every ledger.Store must do.
//
//	func TestStore(t *testing.T) {
//		ledgertest.Run(t, func(t *testing.T) (ledger.Store, func() ledger.Store) { ... })
//	}
//
// Each test gets a store of its own and may close and open it again. That a
// transaction survives a crash, and a full or failing disk, is for the tests of
// each store: it depends on what it is made of.
package ledgertest
