package ledger

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// digestPrefix begins the names of clusters whose UID could not be read.
const digestPrefix = "digest-"

// ByDigest tells whether what a cluster is named by in a StreamID is no UID but
// made of a digest, because the UID could not be read when it was first seen.
func ByDigest(clusterUID string) bool { return strings.HasPrefix(clusterUID, digestPrefix) }

// Identity is what the ledger knows of one cluster that bears, or bore, a name.
type Identity struct {
	// UID is that of its kube-system namespace or, as long as it was never read,
	// a name that ByDigest tells apart.
	UID string
	// Digests are of the server URLs and CAs at its streams' last connections.
	Digests []string
	// Default and Service are the UIDs of the namespace default and of the Service
	// kubernetes in it; empty where they were not read.
	Default, Service string
	// Replaced says that another cluster has taken the name, and that the deletions of
	// this one's objects are being delivered.
	Replaced bool
}

// Known is an object that sinks hold as one of a cluster's.
type Known struct {
	Resource        string // with its group
	Namespace, Name string
	UID             string
}

// Identities returns the clusters that cursors of that name are of, those that
// are not replaced first.
func (l *Ledger) Identities(cluster string) []Identity {
	byUID := map[string]*Identity{}
	for _, c := range l.of(cluster) {
		c.mu.Lock()
		h := c.head
		c.mu.Unlock()
		if h.ID.ClusterUID == "" {
			continue
		}
		id := byUID[h.ID.ClusterUID]
		if id == nil {
			id = &Identity{UID: h.ID.ClusterUID}
			byUID[id.UID] = id
		}
		if h.Digest != "" && !slices.Contains(id.Digests, h.Digest) {
			id.Digests = append(id.Digests, h.Digest)
		}
		id.Default, id.Service = cmp.Or(id.Default, h.Default), cmp.Or(id.Service, h.Service)
		id.Replaced = id.Replaced || h.Replaced
	}
	all := make([]Identity, 0, len(byUID))
	for _, uid := range slices.Sorted(maps.Keys(byUID)) {
		slices.Sort(byUID[uid].Digests)
		all = append(all, *byUID[uid])
	}
	slices.SortStableFunc(all, func(a, b Identity) int {
		if a.Replaced == b.Replaced {
			return 0
		}
		if b.Replaced {
			return -1
		}
		return 1
	})
	return all
}

// Sample returns at most n of the objects that sinks hold of a cluster: of each
// stream those of the lowest versions, which have stayed as they are for longest.
// It returns none only if there are none. It looks at every object.
func (l *Ledger) Sample(cluster, uid string, n int) []Known {
	var cursors []*Cursor
	for _, c := range l.of(cluster) {
		if c.ID().ClusterUID == uid {
			cursors = append(cursors, c)
		}
	}
	slices.SortFunc(cursors, func(a, b *Cursor) int { return compareIDs(a.ID(), b.ID()) })
	streams := make([][]Known, len(cursors))
	for i, c := range cursors {
		streams[i] = c.oldest(n)
	}
	var sample []Known
	for place := 0; len(sample) < n; place++ { // in turn, so that each stream has a say
		before := len(sample)
		for _, s := range streams {
			if place < len(s) && len(sample) < n {
				sample = append(sample, s[place])
			}
		}
		if len(sample) == before {
			break
		}
	}
	return sample
}

// oldest returns at most n objects that sinks hold, by version.
func (c *Cursor) oldest(n int) []Known {
	c.mu.Lock()
	defer c.mu.Unlock()
	type found struct {
		name name
		version
	}
	var oldest []found
	insert := func(name name, v version) {
		i, _ := slices.BinarySearchFunc(oldest, v.rv, func(f found, at rv) int { return cmp.Compare(f.rv, at) })
		if i == n {
			return
		}
		oldest = slices.Insert(oldest[:min(len(oldest), n-1)], i, found{name, v})
	}
	for o := range c.acked.all() {
		insert(o.name, o.version)
	}
	for name, unacked := range c.unackedUIDs {
		if last := unacked[len(unacked)-1]; last.rv != isGone && c.acked.get([]byte(name)) == nil {
			insert(name, last)
		}
	}
	known := make([]Known, len(oldest))
	for i, f := range oldest {
		whole, _ := f.name.split()
		known[i] = Known{c.head.ID.Resource, whole.Namespace, whole.Name, c.formatLocked(f.uid)}
	}
	return known
}

// Doubt says that nothing tells whether the cluster that is there now is the one
// that the cursors are of, and that none of them holds an object: they go on, but
// from a snapshot.
func (l *Ledger) Doubt(cluster, uid string) {
	for _, c := range l.of(cluster) {
		if c.ID().ClusterUID == uid {
			c.InvalidateResumePoint()
		}
	}
}

// Attest notes the UIDs of the namespace default and of the Service kubernetes,
// as far as they are known: see Identity.
func (c *Cursor) Attest(defaultUID, serviceUID string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := &c.head
	defaultUID, serviceUID = cmp.Or(defaultUID, h.Default), cmp.Or(serviceUID, h.Service)
	if h.Default != defaultUID || h.Service != serviceUID {
		h.Default, h.Service, c.headDirty = defaultUID, serviceUID, true
	}
}

// IsOf tells whether what was recorded under a cluster's UID, or a digest in its
// place, is of this cursor's cluster.
func (c *Cursor) IsOf(clusterUID string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := &c.head
	return clusterUID == h.ID.ClusterUID || slices.Contains(h.Was, clusterUID) ||
		ByDigest(clusterUID) && clusterUID == h.Digest // by a version that did not keep Was
}
