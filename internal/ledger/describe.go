package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"
)

// Description is what a store holds of one cursor.
type Description struct {
	ID StreamID `json:"id"`
	// Digest is that of the server's URL and CA at the last connection.
	Digest string `json:"digest,omitempty"`
	// Objects counts those that the sink has accepted, UnackedUIDs those of which it
	// may hold a UID besides the accepted one, Deleted the deletions that are remembered.
	Objects     int `json:"objects"`
	UnackedUIDs int `json:"unackedUIDs"`
	Deleted     int `json:"deleted"`
	// ResumePoint is empty when only a snapshot will do.
	ResumePoint string `json:"resumePoint,omitempty"`
	// Selection is what is followed of the resource, Form in which form it is delivered.
	// Redeliver counts the objects that are to be delivered again.
	Selection Selection `json:"selection,omitzero"`
	Form      string    `json:"form,omitempty"`
	Redeliver int       `json:"redeliver,omitempty"`
	// Sinks are those that an earlier version has delivered to from one cursor.
	Sinks []string `json:"sinks,omitempty"`
	// Generation counts how often the same states were delivered again on purpose.
	Generation uint32 `json:"generation,omitempty"`
	// Meaning is how the resource was asked for, and its version and kind.
	Meaning Meaning `json:"meaning,omitzero"`
	// Left is since when no process has seen the cluster in the fleet; zero
	// while it is in it.
	Left time.Time `json:"left,omitzero"`
	// Unwatched is since when nobody follows the resource there, RouteGone since
	// when there is no such sink; zero while it is otherwise.
	Unwatched time.Time `json:"unwatched,omitzero"`
	RouteGone time.Time `json:"routeGone,omitzero"`

	cursor string
}

// Describe reads everything in a store and returns what there is of each
// cursor, sorted by name. It fails as Open does, and changes nothing.
func Describe(ctx context.Context, store Store) ([]Description, error) {
	var all []Description
	type name struct {
		id        StreamID
		selection Selection // an earlier version had it in the name
	}
	seen := map[name]bool{}
	err := store.Load(ctx, cursorsOnly(func(cursor string, stored []byte, records iter.Seq2[[]byte, []byte]) error {
		h, err := decodeHead(cursor, stored)
		if err != nil {
			return err
		}
		if seen[name{h.ID, h.Selection}] {
			return twice(h.ID)
		}
		seen[name{h.ID, h.Selection}] = true
		d := Description{
			ID: h.ID, Digest: h.Digest, ResumePoint: h.Resume, Selection: h.Selection, Form: h.Form, Sinks: h.sinks,
			Generation: h.Generation, Meaning: h.Meaning, Left: h.Left, Unwatched: h.Unwatched, RouteGone: h.RouteGone, cursor: cursor,
		}
		for key, value := range records {
			k, err := decodeRecord(key, value, func(uid, string) {})
			if err != nil {
				return err
			}
			if k.isAcked {
				d.Objects++
				if k.due != h.Due {
					d.Redeliver++
				}
			}
			if k.isDeleted {
				d.Deleted++
			}
			if len(k.unacked) > 0 {
				d.UnackedUIDs++
			}
		}
		all = append(all, d)
		return nil
	}))
	if err != nil {
		return nil, fmt.Errorf("read the ledger: %w", err)
	}
	slices.SortFunc(all, func(a, b Description) int { return compareIDs(a.ID, b.ID) })
	return all, nil
}

// StoredDigestKey returns the secret of the digests that a store holds, see
// Ledger.DigestKey; nil if it has none. It changes nothing.
func StoredDigestKey(ctx context.Context, store Store) (key []byte, err error) {
	err = store.Load(ctx, func(cursor string, stored []byte, _ iter.Seq2[[]byte, []byte]) error {
		if cursor != termKey {
			return nil
		}
		h, err := decodeHead(cursor, stored)
		key = h.DigestKey
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the ledger: %w", err)
	}
	return key, nil
}

// SameForm reports whether objects that were delivered in the form that a store holds are
// in the given one.
func SameForm(stored, form string) bool { return stored == form || isForm(stored, form) }

func twice(id StreamID) error { return fmt.Errorf("%w: two cursors of %+v", ErrCorrupt, id) }

func compareIDs(a, b StreamID) int {
	return cmp.Or(strings.Compare(a.Cluster, b.Cluster), strings.Compare(a.ClusterUID, b.ClusterUID), strings.Compare(a.Resource, b.Resource),
		strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Route, b.Route))
}

// ErrUnknownCluster is wrapped by OfCluster and Forget.
var ErrUnknownCluster = errors.New("no such cluster in the ledger")

// OfCluster returns those of a cluster. If there is none, the error names the
// clusters that there are.
func OfCluster(all []Description, cluster string) ([]Description, error) {
	var of []Description
	var others []string
	for _, d := range all {
		if d.ID.Cluster == cluster {
			of = append(of, d)
		} else {
			others = append(others, d.ID.Cluster)
		}
	}
	if len(of) > 0 {
		return of, nil
	}
	known := "it holds none"
	if others = slices.Compact(others); len(others) > 0 {
		known = "it holds " + strings.Join(others, ", ")
	}
	return nil, fmt.Errorf("%w: %q; %s", ErrUnknownCluster, cluster, known)
}

// ErrUnknownResource is wrapped by OfResource.
var ErrUnknownResource = errors.New("no such resource in the ledger")

// OfResource returns those of a resource with its group, such as "deployments.apps".
// If there is none, the error names the resources that there are.
func OfResource(all []Description, resource string) ([]Description, error) {
	var of []Description
	var others []string
	for _, d := range all {
		if d.ID.Resource == resource {
			of = append(of, d)
		} else {
			others = append(others, d.ID.Resource)
		}
	}
	if len(of) > 0 {
		return of, nil
	}
	slices.Sort(others)
	known := "it holds none"
	if others = slices.Compact(others); len(others) > 0 {
		known = "it holds " + strings.Join(others, ", ")
	}
	return nil, fmt.Errorf("%w: %q; %s", ErrUnknownResource, resource, known)
}

// Forget removes cursors from a store that nothing else uses: those of a cluster and
// of a resource, of which one may be empty and stands for all then. It returns what
// they were. No object is deleted from any sink: if it is followed again, everything
// there is delivered again, and what was deleted meanwhile is not noticed.
func Forget(ctx context.Context, store Store, cluster, resource string) ([]Description, error) {
	gone, err := Describe(ctx, store)
	if err == nil && cluster != "" {
		gone, err = OfCluster(gone, cluster)
	}
	if err == nil && resource != "" {
		gone, err = OfResource(gone, resource)
	}
	if err != nil {
		return nil, err
	}
	updates := make([]Update, len(gone))
	for i, d := range gone {
		updates[i] = Update{Cursor: d.cursor, Drop: true}
	}
	if err := store.Apply(ctx, updates); err != nil {
		return nil, err
	}
	return gone, nil
}
