package stream

import "github.com/fairlead-dev/fairlead/internal/ledger"

// What a watch frame says, by its "type".
type frameType uint8

const (
	unknownFrame frameType = iota
	added
	modified
	deleted
	bookmark
	errorFrame
)

// frame is what is picked out of a watch frame or of an item of a list. All
// slices point into the scanned bytes; those of strings are raw (see unquote).
type frame struct {
	typ    frameType
	object []byte // as it stands, white space around it left out
	meta   []byte // the object's "metadata"

	name, namespace, uid, version []byte

	// initialEnd: the bookmark that ends the initial events.
	initialEnd bool
	// hasKind and hasAPIVersion: the object has these members. Items of lists
	// have not.
	hasKind, hasAPIVersion bool

	// cutFrom and cutTo delimit metadata.managedFields, with one of the commas
	// beside it; positions in the scanned bytes, equal if there is none.
	cutFrom, cutTo int
	// objectAt and metaAt are where object and meta start.
	objectAt, metaAt int
}

// Longest strings of an identity, in bytes. What an API server sends is far
// below; what is remembered of each object has to have some bound.
const (
	maxName  = 1024
	maxShort = 256
)

// identified reports whether the frame tells which object it is about, and
// which state of it. (A UID is not asked for: some aggregated APIs have none.)
func (f *frame) identified() bool {
	return 0 < len(f.name) && len(f.name) <= maxName && 0 < len(f.version) && len(f.version) <= maxShort &&
		len(f.namespace) <= maxShort && len(f.uid) <= maxShort
}

// identity returns what identified asks for, but for the namespace. The strings
// share their memory: they are kept and dropped together.
func (f *frame) identity() (name ledger.Name, version ledger.Version) {
	if !plain(f.name) || !plain(f.uid) || !plain(f.version) {
		return ledger.Name{Name: unquote(f.name)}, ledger.Version{UID: unquote(f.uid), ResourceVersion: unquote(f.version)}
	}
	var short [128]byte
	all := string(append(append(append(short[:0], f.name...), f.uid...), f.version...))
	n, u := len(f.name), len(f.name)+len(f.uid)
	return ledger.Name{Name: all[:n]}, ledger.Version{UID: all[n:u], ResourceVersion: all[u:]}
}

// scanFrame reads a watch frame: {"type": ..., "object": ...}. It returns false
// for what is not JSON; what f holds then was read before the first bad byte,
// and f.meta is set only if all of the metadata was.
func (s *scanner) scanFrame(b []byte, f *frame) bool {
	s.reset(b)
	*f = frame{}
	if s.peek() != '{' {
		return s.skip(0) && s.end()
	}
	s.i++
	for first := true; ; first = false {
		key, more, ok := s.member(first)
		if !ok {
			return false
		}
		if !more {
			return s.end()
		}
		switch {
		case is(key, "type"):
			raw, ok := s.text(1)
			if !ok {
				return false
			}
			f.typ = typeOf(raw)
		case is(key, "object"):
			*f = frame{typ: f.typ} // should there be two, the last one counts
			if !s.object(1, f) {
				return false
			}
		default:
			if !s.skip(1) {
				return false
			}
		}
	}
}

// scanObject reads an object that stands for itself, such as an item of a
// list. It returns false as scanFrame does.
func (s *scanner) scanObject(b []byte, f *frame) bool {
	s.reset(b)
	*f = frame{typ: added}
	return s.object(0, f) && s.end()
}

func typeOf(raw []byte) frameType {
	switch string(raw) {
	case "ADDED":
		return added
	case "MODIFIED":
		return modified
	case "DELETED":
		return deleted
	case "BOOKMARK":
		return bookmark
	case "ERROR":
		return errorFrame
	}
	return unknownFrame
}

func (s *scanner) object(depth int, f *frame) bool {
	c := s.peek()
	f.objectAt = s.i
	defer func() { f.object = s.b[f.objectAt:s.i] }()
	if c != '{' {
		return s.skip(depth)
	}
	s.i++
	depth++
	for first := true; ; first = false {
		key, more, ok := s.member(first)
		if !ok {
			return false
		}
		if !more {
			return true
		}
		switch {
		case is(key, "metadata"):
			if !s.metadata(depth, f) {
				return false
			}
			continue
		case is(key, "kind"):
			f.hasKind = true
		case is(key, "apiVersion"):
			f.hasAPIVersion = true
		}
		if !s.skip(depth) {
			return false
		}
	}
}

func (s *scanner) metadata(depth int, f *frame) bool {
	f.meta, f.name, f.namespace, f.uid, f.version = nil, nil, nil, nil, nil
	f.initialEnd, f.cutFrom, f.cutTo = false, 0, 0
	c := s.peek()
	f.metaAt = s.i
	if c != '{' {
		return s.skip(depth)
	}
	s.i++
	depth++
	for first := true; ; first = false {
		s.peek()
		at := s.i // the comma before the member, or the first key
		key, more, ok := s.member(first)
		if !ok {
			return false
		}
		if !more {
			f.meta = s.b[f.metaAt:s.i]
			return true
		}
		switch {
		case is(key, "name"):
			f.name, ok = s.text(depth)
		case is(key, "namespace"):
			f.namespace, ok = s.text(depth)
		case is(key, "uid"):
			f.uid, ok = s.text(depth)
		case is(key, "resourceVersion"):
			f.version, ok = s.text(depth)
		case is(key, "annotations"):
			ok = s.annotations(depth, f)
		case is(key, "managedFields"):
			ok = s.skip(depth)
			f.cutFrom, f.cutTo = at, s.i
			if first && s.peek() == ',' {
				f.cutTo = s.i + 1
			}
		default:
			ok = s.skip(depth)
		}
		if !ok {
			return false
		}
	}
}

func (s *scanner) annotations(depth int, f *frame) bool {
	f.initialEnd = false
	if s.peek() != '{' {
		return s.skip(depth)
	}
	s.i++
	depth++
	for first := true; ; first = false {
		key, more, ok := s.member(first)
		if !ok {
			return false
		}
		if !more {
			return true
		}
		if is(key, "k8s.io/initial-events-end") {
			raw, ok := s.text(depth)
			if !ok {
				return false
			}
			f.initialEnd = is(raw, "true")
		} else if !s.skip(depth) {
			return false
		}
	}
}
