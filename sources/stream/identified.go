package stream

import "fmt"

// Longest strings of an identity, in bytes. What an API server sends is far
// below; what is remembered of each object has to have some bound.
const (
	maxName  = 1024
	maxShort = 256
)

// identified reports whether the frame tells which object it is about, and
// which state of it. (A UID is not asked for: some aggregated APIs have none.)
func (f *frame) identified() bool {
	return 0 < len(f.name) && len(f.name) <= maxName && f.mark() &&
		len(f.namespace) <= maxShort && len(f.uid) <= maxShort
}

// mark reports whether the frame tells a version. "deleted" is none: it ends
// the ids of deletions.
func (f *frame) mark() bool {
	return 0 < len(f.version) && len(f.version) <= maxShort && !is(f.version, "deleted")
}

// who names the object in a message, as far as it needs to be recognised.
func (f *frame) who() string {
	return fmt.Sprintf("object %.80q in namespace %.80q", unquote(f.name), unquote(f.namespace))
}

// partialKind is under which servers send the metadata of objects alone.
const partialKind = "PartialObjectMetadata"
