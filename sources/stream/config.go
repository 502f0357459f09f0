package stream

import (
	"errors"
	"fmt"
	"time"
)

// Config is what a user may tune. The zero value of a duration means its
// default, which is that of the program's flag.
type Config struct {
	// ReconnectMin is the longest first delay after a failure; later ones
	// double. Default 1 s.
	ReconnectMin time.Duration
	// ReconnectMax is the longest delay between attempts. Default 1 min.
	ReconnectMax time.Duration
	// SyncTimeout is how long a snapshot may take, the time not counted in
	// which the lane is full. Default 10 min.
	SyncTimeout time.Duration
	// StaleAfter is how long a watch may be silent before it is cut and
	// opened again. API servers send a bookmark every minute. Default 3 min.
	StaleAfter time.Duration
	// AuditInterval is how often the ledger is compared with what the server
	// has, give or take a fifth; the first time may come sooner. Default 24 h; less
	// than 0: never.
	AuditInterval time.Duration
	// SurveyInterval is how often a member is asked whether it serves other
	// resources than before, give or take a tenth. It matters only to wildcards.
	// Default 30 s.
	SurveyInterval time.Duration
	// SecretValues lets the values of core Secrets leave the member. Without
	// it only their metadata is asked for, and passed on.
	SecretValues bool

	// Real servers cannot be given another clock, and simulations are to have many turns, so
	// tests shorten these.
	missingRetry time.Duration // see missingRetry
	goneAfter    time.Duration // see goneAfter
	turn         time.Duration // see turnLasts
}

// The defaults of Config.
const (
	DefaultReconnectMin = time.Second
	DefaultReconnectMax = time.Minute
	DefaultSyncTimeout  = 10 * time.Minute
	DefaultStaleAfter   = 3 * time.Minute

	DefaultAuditInterval  = 24 * time.Hour
	DefaultSurveyInterval = 30 * time.Second
)

// Validate reports every value that makes no sense.
func (c Config) Validate() error {
	var errs []error
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"ReconnectMin", c.ReconnectMin}, {"ReconnectMax", c.ReconnectMax},
		{"SyncTimeout", c.SyncTimeout}, {"StaleAfter", c.StaleAfter},
		{"SurveyInterval", c.SurveyInterval},
	} {
		if d.value < 0 {
			errs = append(errs, fmt.Errorf("%s is %s; it must not be negative", d.name, d.value))
		}
	}
	if full := c.WithDefaults(); full.ReconnectMin > full.ReconnectMax {
		errs = append(errs, fmt.Errorf("ReconnectMin (%s) is longer than ReconnectMax (%s)", full.ReconnectMin, full.ReconnectMax))
	}
	return errors.Join(errs...)
}

// WithDefaults returns c with the defaults in the place of zero values.
func (c Config) WithDefaults() Config {
	for _, d := range []struct {
		value *time.Duration
		def   time.Duration
	}{
		{&c.ReconnectMin, DefaultReconnectMin}, {&c.ReconnectMax, DefaultReconnectMax},
		{&c.SyncTimeout, DefaultSyncTimeout}, {&c.StaleAfter, DefaultStaleAfter}, {&c.AuditInterval, DefaultAuditInterval},
		{&c.SurveyInterval, DefaultSurveyInterval},
		{&c.missingRetry, missingRetry}, {&c.goneAfter, goneAfter}, {&c.turn, turnLasts},
	} {
		if *d.value == 0 {
			*d.value = d.def
		}
	}
	return c
}
