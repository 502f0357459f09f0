package etcd

import (
	"fmt"

	"github.com/fairlead-dev/fairlead/locks"
)

// history tells whether an answer can be of the cluster that gave those before. Each
// answer has the cluster's ID and its revision, which never goes back.
type history struct {
	seen     header            // of the last answer that was taken
	clusters map[string]uint64 // the last of each endpoint
	found    header            // of the last answer that was refused with locks.ErrReplaced
}

// follows reports why an answer of an endpoint cannot be taken. A cluster was replaced if
// an endpoint answers for another one than it did itself. An endpoint that has not
// answered for the cluster before may never have been a member of it.
func (x *history) follows(host string, h *header) error {
	if h == nil || h.Cluster == 0 || h.Revision == 0 {
		return errNoAnswer
	}
	switch before := x.seen; {
	case before.Cluster != 0 && before.Cluster != h.Cluster && x.clusters[host] != before.Cluster:
		return fmt.Errorf("%s answers for cluster %x, and the endpoints before for %x: name members of one cluster, or start this process again if it was made anew", host, h.Cluster, before.Cluster)
	case before.Cluster != 0 && before.Cluster != h.Cluster:
		x.found = *h
		return fmt.Errorf("%w: %s answers for cluster %x, and before for %x; if it was not made anew, name members of one cluster", locks.ErrReplaced, host, h.Cluster, before.Cluster)
	case h.Revision < before.Revision:
		x.found = *h
		return fmt.Errorf("%w: the revision of etcd went back from %d to %d, as when it is restored from a snapshot", locks.ErrReplaced, before.Revision, h.Revision)
	}
	x.seen, x.clusters[host] = *h, h.Cluster
	return nil
}

// Accept implements locks.Replaceable.
func (x *history) Accept() { x.seen = x.found }
