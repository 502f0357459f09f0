package connection

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/fairlead-dev/fairlead/internal/ledger"
)

// Known tells what is known of the clusters that have borne a member's name;
// ledger.Ledger is one. Its methods are called while Run runs, one at a time.
type Known interface {
	// Identities returns those clusters.
	Identities(cluster string) []ledger.Identity
	// Sample returns at most n of the objects that are known of one of them, none
	// only if there are none.
	Sample(cluster, uid string, n int) []ledger.Known
	// Doubt says that a cluster of which no object is known goes by that UID,
	// although nothing tells whether it is the one.
	Doubt(cluster, uid string)
}

// sighting is what a probe has seen of who answers. What could not be read is
// empty.
type sighting struct {
	uid     string // of the kube-system namespace
	digest  string // of server URL and CA
	home    string // UID of the namespace default; read only if uid could not be
	service string // and of the Service kubernetes in it
}

// A grade is how much a sighting says about a cluster that is known.
type grade int

const (
	open   grade = iota // nothing
	likely              // it is at the same address, with the same CA
	same
	other
)

// grade compares who answers with a cluster that is known. The namespaces
// kube-system and default cannot be deleted, so that their UIDs are the
// cluster's. The Service kubernetes is made again if it is deleted.
func (s sighting) grade(k ledger.Identity) grade {
	switch {
	case s.uid != "" && s.uid == k.UID:
		return same
	case s.uid != "" && !ledger.ByDigest(k.UID):
		return other
	case s.home != "" && s.home == k.Default, s.service != "" && s.service == k.Service:
		return same
	case s.home != "" && k.Default != "":
		return other
	case slices.Contains(k.Digests, s.digest):
		return likely
	}
	return open
}

// presence is whether a cluster's objects are there.
type presence int

const (
	unanswered presence = iota // none could be asked for
	served                     // one is there, with the UID that is known
	notServed                  // none is, of those that could be asked for
	nothingKnown
)

// verdict is who answers, as far as it can be told.
type verdict struct {
	identity ledger.Identity // without a UID: a cluster that is not known, and whose UID cannot be read
	others   []string        // the known clusters that it is not
	replaces bool            // one of them is not retired yet
	unsure   bool            // it may be a known cluster, or another one
	doubt    bool            // it is taken for a known one, of which there are no objects, for want of evidence
}

// judge decides who answers, on evidence only: another address, another CA and
// what may not be read are none. known is what clusters have borne the name, and
// ask finds out whether the objects of one of them are there.
func judge(seen sighting, known []ledger.Identity, ask func(ledger.Identity) presence) verdict {
	grades := make([]grade, len(known))
	has := func(g grade) bool { return slices.Contains(grades, g) }
	var nearby []int // at the same address
	for i, k := range known {
		if grades[i] = seen.grade(k); grades[i] == likely {
			grades[i] = open
			if !k.Replaced {
				nearby = append(nearby, i)
			}
		}
	}
	// An address that two have had tells nothing.
	if !has(same) && len(nearby) == 1 {
		grades[nearby[0]] = same
	}
	empty := -1
	harmless := make([]bool, len(known)) // there is nothing to retire
	for i, k := range known {
		if grades[i] != open || has(same) && k.Replaced {
			continue
		}
		switch ask(k) {
		case served:
			grades[i] = same
		case notServed:
			grades[i] = other
		case nothingKnown:
			grades[i], harmless[i] = other, true
			if empty < 0 && !k.Replaced {
				empty = i
			}
		}
	}
	var v verdict
	if empty >= 0 && !has(same) && !has(open) {
		grades[empty], v.doubt = same, true
	}
	v.identity = ledger.Identity{UID: seen.uid, Digests: []string{seen.digest}, Default: seen.home, Service: seen.service}
	for i, k := range known {
		if grades[i] == same {
			v.identity = merge(v.identity, k)
		}
	}
	for i, k := range known {
		named := !ledger.ByDigest(k.UID) && !ledger.ByDigest(v.identity.UID) && k.UID != v.identity.UID
		switch {
		case grades[i] == other, grades[i] == open && has(same) && (k.Replaced || named):
			v.others = append(v.others, k.UID)
			v.replaces = v.replaces || !k.Replaced && !harmless[i]
		case grades[i] == open && !has(same):
			v.unsure = true
		}
	}
	return v
}

// merge adds what is known of a cluster. A UID takes the place of a digest, and
// no digest that of a UID.
func merge(id, k ledger.Identity) ledger.Identity {
	if id.UID == "" || ledger.ByDigest(id.UID) && !ledger.ByDigest(k.UID) {
		id.UID = k.UID
	}
	id.Default, id.Service = cmp.Or(id.Default, k.Default), cmp.Or(id.Service, k.Service)
	return id
}

// nameByDigest returns what a cluster is named by whose UID cannot be read: the
// digest, unless one of the others is.
func nameByDigest(digest string, others []string) string {
	name := digest
	for n := 2; slices.Contains(others, name); n++ {
		name = digest + "-" + strconv.Itoa(n)
	}
	return name
}
