// Package stores has the table of the ledger stores that the program and the library
// can open.
//
//	--ledger, sources.OpenLedger ──▶ Kinds ──▶ bolt:PATH, memory:
package stores

import (
	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/ledger/bolt"
)

// Kinds returns the kinds of stores. A text without a scheme is of the first one.
func Kinds() ledger.StoreKinds {
	return ledger.StoreKinds{
		bolt.Kind(),
		ledger.MemoryKind(),
	}
}
