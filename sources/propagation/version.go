package propagation

import (
	"encoding/json"
	"fmt"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Annotation of a copy holds the Version that it was made of, as JSON.
const Annotation = "propagation.fairlead.dev/version"

// Version says of which state of its source a copy was made, and in whose term.
type Version struct {
	// Term is the fencing token of the process that made the copy, see
	// locks.Fenced; 0: it has none.
	Term uint64 `json:"term,string,omitempty"`
	// Sequence orders the states of a source that come as the changes of a
	// pipeline.Origin; 0: they are ordered by ResourceVersion.
	Sequence uint64 `json:"sequence,string,omitempty"`
	// UID, Generation and ResourceVersion are the source's.
	UID             types.UID `json:"uid"`
	Generation      int64     `json:"generation,omitempty"`
	ResourceVersion string    `json:"resourceVersion"`
}

// VersionOf returns the version of a source, for a process in that term.
func VersionOf(source metav1.Object, term uint64) Version {
	return Version{Term: term, UID: source.GetUID(), Generation: source.GetGeneration(), ResourceVersion: source.GetResourceVersion()}
}

// Older says why a copy of v must not replace one of w, and returns "" if it may. It
// must not if its term is lower, or if its source's state comes before, whichever term
// it is of: a new process may be behind as well.
//
// States are compared by Sequence if both have one, else by ResourceVersion, which is
// an ordered number for all objects of a resource (Kubernetes 1.35 and later by
// contract, kube-apiserver before in fact). Where it is no number, only the term
// counts. After the hub was restored from a backup its versions may be lower than
// those that copies bear: then remove the annotation from the copies.
func (v Version) Older(w Version) string {
	if v.Term < w.Term {
		return fmt.Sprintf("it was made in term %d, and this is term %d", w.Term, v.Term)
	}
	what, have, had := "sequence", v.Sequence, w.Sequence
	if have == 0 || had == 0 {
		what, have, had = "resourceVersion", number(v.ResourceVersion), number(w.ResourceVersion)
	}
	if have < had && have != 0 {
		return fmt.Sprintf("it was made of the source's %s %d, and this is of %d", what, had, have)
	}
	return ""
}

// number returns 0 for what is no number, which no state has.
func number(resourceVersion string) uint64 {
	n, err := strconv.ParseUint(resourceVersion, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// most is how many bytes of an annotation are read. A UID has up to 253.
const most = 1024

// Read returns the version that a copy bears, and whether it bears one that can be
// read.
func Read(o metav1.Object) (Version, bool) {
	text, ok := o.GetAnnotations()[Annotation]
	var v Version
	if !ok || len(text) > most || json.Unmarshal([]byte(text), &v) != nil {
		return Version{}, false
	}
	return v, true
}

func (v Version) annotation() string {
	text, _ := json.Marshal(v) // of strings and numbers
	return string(text)
}
