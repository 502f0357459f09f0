package stream

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
	kind, apiVersion              []byte // nil also if they are no strings

	// initialEnd: the bookmark that ends the initial events.
	initialEnd bool
	// hasKind and hasAPIVersion: the object has these members. Items of lists
	// have not. hasMore: it has others than these and metadata.
	hasKind, hasAPIVersion, hasMore bool

	// What decoders would read differently. twice is a key that the frame, the
	// object or its metadata have twice, or in the metadata one that differs
	// from one of the identity's by capitals only. loose: outside of the
	// metadata is one that differs from kind, apiVersion or metadata so, or
	// there are too many to tell. doubtful: something in the frame may not be
	// portable.
	twice           []byte
	loose, doubtful bool

	// cutFrom and cutTo delimit metadata.managedFields, with one of the commas
	// beside it; positions in the scanned bytes, equal if there is none.
	cutFrom, cutTo int
	// objectAt and metaAt are where object and meta start.
	objectAt, metaAt int
}

// without returns the two pieces of b[from:to], where the object or its
// metadata stand, that managedFields leave.
func (f *frame) without(b []byte, from, to int) (head, tail []byte) {
	if f.cutFrom == f.cutTo {
		return b[from:to], nil
	}
	return b[from:f.cutFrom], b[f.cutTo:to]
}

// scanFrame reads a watch frame: {"type": ..., "object": ...}. It returns false
// for what is not JSON; what f holds then was read before the first bad byte,
// and f.meta is set only if all of the metadata was.
func (s *scanner) scanFrame(b []byte, f *frame) bool {
	s.reset(b)
	*f = frame{}
	ok := s.frame(f)
	f.doubtful = s.doubtful
	return ok
}

func (s *scanner) frame(f *frame) bool {
	if s.peek() != '{' {
		return s.skip(0) && s.end()
	}
	s.i++
	var hasType, hasObject bool
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
			if hasType {
				f.twice = key
			}
			hasType = true
			raw, ok := s.text(1)
			if !ok {
				return false
			}
			f.typ = typeOf(raw)
		case is(key, "object"):
			*f = frame{typ: f.typ, twice: f.twice} // should there be two, the last one counts
			if hasObject {
				f.twice = key
			}
			hasObject = true
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
	ok := s.object(0, f) && s.end()
	f.doubtful = s.doubtful
	return ok
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
	keys := &s.keys[0]
	keys.reset()
	for first := true; ; first = false {
		key, more, ok := s.member(first)
		if !ok {
			return false
		}
		if !more {
			f.loose = f.loose || keys.tooMany()
			return true
		}
		if keys.add(key) {
			f.twice = key
		}
		switch {
		case is(key, "metadata"):
			ok = s.metadata(depth, f)
		case is(key, "kind"):
			f.hasKind = true
			f.kind, ok = s.text(depth)
		case is(key, "apiVersion"):
			f.hasAPIVersion = true
			f.apiVersion, ok = s.text(depth)
		default:
			f.hasMore = true
			f.loose = f.loose || isAny(key, "metadata", "kind", "apiVersion")
			ok = s.skip(depth)
		}
		if !ok {
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
	keys := &s.keys[1]
	keys.reset()
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
		if keys.add(key) || keys.tooMany() {
			f.twice = key
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
			if isAny(key, "name", "namespace", "uid", "resourceVersion") {
				f.twice = key
			}
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
