package sources

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/go-logr/logr"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/ledger/stores"
)

// Ledger remembers what each route's sink has accepted, and from where streams go on
// after a restart. OpenLedger makes one. Its Run stores what changes until its context
// ends; end that after the last worker. Its Close lets go of the store.
type Ledger = ledger.Handle

// ErrLedgerInUse is what OpenLedger wraps while another process has the store open.
var ErrLedgerInUse = ledger.ErrInUse

// inMemory returns a ledger that ends with the process.
func inMemory(o Options) *ledger.Ledger {
	var routes []string
	for _, r := range o.Routes {
		routes = append(routes, r.Name)
	}
	l, _ := ledger.Open(context.Background(), ledger.Options{Routes: routes, Log: o.Log}) // only a store can fail
	return l
}

// LedgerOptions say how OpenLedger opens a ledger. The zero value is ready to use.
type LedgerOptions struct {
	// Routes are the names of all routes, as in Options.Routes. What is remembered of
	// other routes expires after Retention.
	Routes []string
	// Interval is how often acks and resume points are stored: more than 0, or 0 for 1 s.
	// What was accepted within it is delivered again after a crash.
	Interval time.Duration
	// Retention is how long a member that left the fleet, a route that there is not any
	// more, and a resource that nobody follows any more are remembered while the ledger
	// runs: more than 0, or 0 for 7 days.
	Retention time.Duration
	// Log gets what cannot be stored. The zero value discards it.
	Log logr.Logger
}

// OpenLedger opens what a value of --ledger names, and reads it: "bolt:PATH" is a file,
// made if it is not there, which one process may have open at a time; "memory:" remembers
// nothing after Close. docs/kinds.md lists all stores. A text without the scheme of one is
// an error, where the flag takes it for a path.
//
// The error says what is wrong with the text or the options, that another process has the
// store (ErrLedgerInUse), or that the store cannot be read or is damaged: to go on without
// it would miss deletions.
func OpenLedger(ctx context.Context, store string, o LedgerOptions) (*Ledger, error) {
	if o.Interval < 0 || o.Retention < 0 {
		return nil, fmt.Errorf("open the ledger: Interval %v and Retention %v must not be negative", o.Interval, o.Retention)
	}
	spec, err := stores.Kinds().ParseStrict(store)
	if err != nil {
		return nil, fmt.Errorf("open the ledger: %w", err)
	}
	options := ledger.Options{Routes: o.Routes, Interval: o.Interval, Retention: o.Retention, Log: o.Log}
	if spec.Open != nil {
		if options.Store, err = spec.Open(ctx); err != nil {
			return nil, fmt.Errorf("open the ledger: %w", err)
		}
	}
	l, err := ledger.Open(ctx, options)
	if err != nil {
		if c, ok := options.Store.(io.Closer); ok {
			err = errors.Join(err, c.Close())
		}
		return nil, fmt.Errorf("open the ledger: %w", err)
	}
	return ledger.NewHandle(l, options.Store), nil
}
