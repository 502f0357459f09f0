package sources

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/fairlead-dev/fairlead/sources/fleet"
	"github.com/fairlead-dev/fairlead/sources/stream"
)

// The defaults of Config, which are those of the program's flags too.
const (
	// DefaultMaxConcurrentSnapshots keeps a restart from listing everything everywhere
	// at once.
	DefaultMaxConcurrentSnapshots = 8
	// DefaultExtraWatches is how many routes may read for themselves at once in each stream of
	// a member, which is a resource of one spec.
	DefaultExtraWatches = 2
	// DefaultMaxStreams is how many streams a member may have because of wildcards.
	DefaultMaxStreams = stream.DefaultMaxStreams
	// DefaultMaxObjects is how many objects of one member the ledger may know for each
	// route.
	DefaultMaxObjects = 500_000
	// DefaultMaxLedgerBytes is what DefaultMaxObjects take with namespaces and names of
	// 50 bytes together, which is 57 MB, and as much again.
	DefaultMaxLedgerBytes = 128 << 20
)

// Validate returns an error that names all values that cannot be used. Sources.Run does
// so, too.
func (c Config) Validate() error {
	var errs []error
	if err := c.Connection.Validate(); err != nil {
		errs = append(errs, fmt.Errorf("connections: %w", err))
	}
	if err := c.Stream.Validate(); err != nil {
		errs = append(errs, fmt.Errorf("streams: %w", err))
	}
	if c.MaxConcurrentSnapshots < 0 {
		errs = append(errs, fmt.Errorf("snapshots at once: %d is negative", c.MaxConcurrentSnapshots))
	}
	if c.ExtraWatches < 0 {
		errs = append(errs, fmt.Errorf("extra watches of a resource: %d is negative", c.ExtraWatches))
	}
	return errors.Join(errs...)
}

// WithDefaults returns c with the defaults in the place of zero values.
func (c Config) WithDefaults() Config {
	c.Connection, c.Stream = c.Connection.WithDefaults(), c.Stream.WithDefaults()
	c.MaxConcurrentSnapshots = cmp.Or(c.MaxConcurrentSnapshots, DefaultMaxConcurrentSnapshots)
	c.Quota.Objects = cmp.Or(c.Quota.Objects, DefaultMaxObjects)
	c.Quota.Bytes = cmp.Or(c.Quota.Bytes, DefaultMaxLedgerBytes)
	c.NameHold = cmp.Or(c.NameHold, fleet.DefaultNameHold)
	c.MaxStreams = cmp.Or(c.MaxStreams, DefaultMaxStreams)
	c.ExtraWatches = cmp.Or(c.ExtraWatches, DefaultExtraWatches)
	return c
}
