package testdb

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/fairlead-dev/fairlead/internal/aptcache"
)

// Fetch gets the servers that the system does not have into the cache. It tells its
// progress in whole lines. Where it cannot, that is no error: then it says so.
func Fetch(ctx context.Context, progress io.Writer) error {
	say := func(format string, args ...any) { fmt.Fprintf(progress, "databases: "+format+"\n", args...) } //nolint:errcheck // Only talk.
	for _, s := range servers {
		if _, err := find(s); err == nil {
			continue
		} else if !errors.Is(err, errNotFound) {
			return err
		}
		if !aptcache.Available() {
			say("%s is not installed, and there is no apt-get to get it with: its tests are skipped", s.name)
			continue
		}
		found := func() bool {
			_, err := find(s)
			return err == nil
		}
		if err := aptcache.Fetch(ctx, kind, s.name, s.packages, found, say); err != nil {
			return fmt.Errorf("fetch %s: %w", s.name, err)
		}
	}
	return nil
}
