package cache

import (
	"cmp"
	"errors"
	"fmt"
	"time"
)

// Defaults of Config.
const (
	DefaultCacheSyncTimeout = 30 * time.Second
	DefaultCallTimeout      = 65 * time.Second
	DefaultStaleAfter       = 3 * time.Minute
)

// Config is what an operator may tune about caches. The zero value of every
// field stands for its default.
type Config struct {
	// CacheSyncTimeout is how long the first list of a resource may take
	// before its member counts as failing. Reads that need it wait for as
	// long, and fail at once afterwards, so that a member that never finishes
	// takes no workers from the others. The list itself goes on. Default 30s.
	CacheSyncTimeout time.Duration
	// CallTimeout bounds one call to a member with its answer, writes and
	// paged lists alike; watches are not bounded. Default 65s: the API server
	// gives up after 60s itself, and its answer should win.
	CallTimeout time.Duration
	// StaleAfter is how long a watch may be silent before it is cut and
	// opened again. API servers send a bookmark every minute. Default 3m.
	StaleAfter time.Duration
}

// Validate returns all errors of c, joined; each names its field. Zero values
// are fine.
func (c Config) Validate() error {
	var errs []error
	for _, d := range []struct {
		field string
		value time.Duration
	}{
		{"CacheSyncTimeout", c.CacheSyncTimeout},
		{"CallTimeout", c.CallTimeout},
		{"StaleAfter", c.StaleAfter},
	} {
		if d.value < 0 {
			errs = append(errs, fmt.Errorf("%s: must not be negative, is %v", d.field, d.value))
		}
	}
	return errors.Join(errs...)
}

func (c Config) withDefaults() Config {
	c.CacheSyncTimeout = cmp.Or(c.CacheSyncTimeout, DefaultCacheSyncTimeout)
	c.CallTimeout = cmp.Or(c.CallTimeout, DefaultCallTimeout)
	c.StaleAfter = cmp.Or(c.StaleAfter, DefaultStaleAfter)
	return c
}
