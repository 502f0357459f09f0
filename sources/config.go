package sources

import (
	"cmp"

	"github.com/fairlead-dev/fairlead/sources/fleet"
)

// The defaults of Config, which are those of the program's flags too.
const (
	// DefaultMaxConcurrentSnapshots keeps a restart from listing everything everywhere
	// at once.
	DefaultMaxConcurrentSnapshots = 8
	// DefaultExtraWatches is how many routes may read a resource of a member for
	// themselves at once.
	DefaultExtraWatches = 2
	// DefaultMaxObjects is how many objects of one member the ledger may know for each
	// route.
	DefaultMaxObjects = 500_000
	// DefaultMaxLedgerBytes is what DefaultMaxObjects take with namespaces and names of
	// 50 bytes together, which is 57 MB, and as much again.
	DefaultMaxLedgerBytes = 128 << 20
)

// WithDefaults returns c with the defaults in the place of zero values.
func (c Config) WithDefaults() Config {
	c.Connection, c.Stream = c.Connection.WithDefaults(), c.Stream.WithDefaults()
	c.MaxConcurrentSnapshots = cmp.Or(c.MaxConcurrentSnapshots, DefaultMaxConcurrentSnapshots)
	c.Quota.Objects = cmp.Or(c.Quota.Objects, DefaultMaxObjects)
	c.Quota.Bytes = cmp.Or(c.Quota.Bytes, DefaultMaxLedgerBytes)
	c.NameHold = cmp.Or(c.NameHold, fleet.DefaultNameHold)
	c.ExtraWatches = cmp.Or(c.ExtraWatches, DefaultExtraWatches)
	return c
}
