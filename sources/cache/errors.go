package cache

import (
	"errors"
	"fmt"
	"time"

	"github.com/fairlead-dev/fairlead/sources/member"
)

var (
	// ErrClusterUnavailable is what calls to a member fail with, at once,
	// while it cannot be reached, and reads that its cache has nothing for
	// yet. A reconciler returns it, and is asked again after a backoff.
	ErrClusterUnavailable = errors.New("cluster unavailable")
	// ErrClusterGone says that there is no member of that name (any more). It
	// is an ErrClusterUnavailable too. A reconciler for such a member has
	// nothing left to do.
	ErrClusterGone = fmt.Errorf("not in the fleet: %w", ErrClusterUnavailable)
)

var (
	errCut    = errors.New("the connection was given up")
	errSilent = errors.New("silent for too long")
	errSlow   = errors.New("no answer in time")
	errBucket = errors.New("the limit of requests to this cluster")
)

func gone(cluster string) error { return fmt.Errorf("cluster %q: %w", cluster, ErrClusterGone) }

// unavailable tells why a member cannot be called.
func unavailable(cluster string, link member.Link) error {
	if link.State == member.Gone {
		return gone(cluster)
	}
	text := string(link.State)
	if link.Reason != "" {
		text += ", " + link.Reason
	}
	if link.LastError != "" {
		text += ": " + link.LastError
	}
	return fmt.Errorf("cluster %q (since %s: %s): %w", cluster, link.Since.UTC().Format(time.RFC3339), text, ErrClusterUnavailable)
}
