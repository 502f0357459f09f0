package wire

import "fmt"

// Longest strings of an identity, in bytes. What an API server sends is far
// below; what is remembered of each object has to have some bound.
const (
	MaxName  = 1024
	MaxShort = 256
)

// Identified reports whether the frame tells which object it is about, and
// which state of it. (A UID is not asked for: some aggregated APIs have none.)
func (f *Frame) Identified() bool {
	return 0 < len(f.Name) && len(f.Name) <= MaxName && f.Mark() &&
		len(f.Namespace) <= MaxShort && len(f.UID) <= MaxShort
}

// Mark reports whether the frame tells a version. "deleted" is none: it ends
// the ids of deletions.
func (f *Frame) Mark() bool {
	return 0 < len(f.Version) && len(f.Version) <= MaxShort && !Is(f.Version, "deleted")
}

// Who names the object in a message, as far as it needs to be recognised.
func (f *Frame) Who() string {
	return fmt.Sprintf("object %.80q in namespace %.80q", Unquote(f.Name), Unquote(f.Namespace))
}

// PartialKind is under which servers send the metadata of objects alone.
const PartialKind = "PartialObjectMetadata"
