package wire

// Type is what a watch frame says, by its "type".
type Type uint8

// The types of frames. A type that is none of them is unknown.
const (
	unknown Type = iota
	Added
	Modified
	Deleted
	Bookmark
	ErrorFrame
)

// Frame is what is picked out of a watch frame or of an item of a list. All
// slices point into the scanned bytes; those of strings are raw (see Unquote).
type Frame struct {
	Type   Type
	Object []byte // as it stands, white space around it left out
	Meta   []byte // the object's "metadata"

	Name, Namespace, UID, Version []byte
	Kind, APIVersion              []byte // nil also if they are no strings

	// InitialEnd: the bookmark that ends the initial events.
	InitialEnd bool
	// HasKind and HasAPIVersion: the object has these members. Items of lists
	// have not. HasMore: it has others than these and metadata.
	HasKind, HasAPIVersion, HasMore bool

	// What decoders would read differently. twice is a key that the frame, the
	// object or its metadata have twice, or in the metadata one that differs
	// from one of the identity's by capitals only. loose: outside of the
	// metadata is one that differs from kind, apiVersion or metadata so, or
	// there are too many to tell. doubtful: something in the frame may not be
	// portable.
	Twice           []byte
	Loose, Doubtful bool

	// cutFrom and cutTo delimit metadata.managedFields, with one of the commas
	// beside it; positions in the scanned bytes, equal if there is none.
	cutFrom, cutTo int
	// ObjectAt and MetaAt are where object and meta start.
	ObjectAt, MetaAt int
}

// Without returns the two pieces of b[from:to], where the object or its
// metadata stand, that managedFields leave.
func (f *Frame) Without(b []byte, from, to int) (head, tail []byte) {
	if f.cutFrom == f.cutTo {
		return b[from:to], nil
	}
	return b[from:f.cutFrom], b[f.cutTo:to]
}

// ScanFrame reads a watch frame: {"type": ..., "object": ...}. It returns false
// for what is not JSON; what f holds then was read before the first bad byte,
// and f.Meta is set only if all of the metadata was.
func (s *Scanner) ScanFrame(b []byte, f *Frame) bool {
	s.reset(b)
	*f = Frame{}
	ok := s.frame(f)
	f.Doubtful = s.doubtful
	return ok
}

func (s *Scanner) frame(f *Frame) bool {
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
		case Is(key, "type"):
			if hasType {
				f.Twice = key
			}
			hasType = true
			raw, ok := s.text(1)
			if !ok {
				return false
			}
			f.Type = typeOf(raw)
		case Is(key, "object"):
			*f = Frame{Type: f.Type, Twice: f.Twice} // should there be two, the last one counts
			if hasObject {
				f.Twice = key
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

// ScanObject reads an object that stands for itself, such as an item of a
// list. It returns false as scanFrame does.
func (s *Scanner) ScanObject(b []byte, f *Frame) bool {
	s.reset(b)
	*f = Frame{Type: Added}
	ok := s.object(0, f) && s.end()
	f.Doubtful = s.doubtful
	return ok
}

func typeOf(raw []byte) Type {
	switch string(raw) {
	case "ADDED":
		return Added
	case "MODIFIED":
		return Modified
	case "DELETED":
		return Deleted
	case "BOOKMARK":
		return Bookmark
	case "ERROR":
		return ErrorFrame
	}
	return unknown
}

func (s *Scanner) object(depth int, f *Frame) bool {
	c := s.peek()
	f.ObjectAt = s.i
	defer func() { f.Object = s.b[f.ObjectAt:s.i] }()
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
			f.Loose = f.Loose || keys.tooMany()
			return true
		}
		if keys.add(key) {
			f.Twice = key
		}
		switch {
		case Is(key, "metadata"):
			ok = s.metadata(depth, f)
		case Is(key, "kind"):
			f.HasKind = true
			f.Kind, ok = s.text(depth)
		case Is(key, "apiVersion"):
			f.HasAPIVersion = true
			f.APIVersion, ok = s.text(depth)
		default:
			f.HasMore = true
			f.Loose = f.Loose || IsAny(key, "metadata", "kind", "apiVersion")
			ok = s.skip(depth)
		}
		if !ok {
			return false
		}
	}
}

func (s *Scanner) metadata(depth int, f *Frame) bool {
	f.Meta, f.Name, f.Namespace, f.UID, f.Version = nil, nil, nil, nil, nil
	f.InitialEnd, f.cutFrom, f.cutTo = false, 0, 0
	c := s.peek()
	f.MetaAt = s.i
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
			f.Meta = s.b[f.MetaAt:s.i]
			return true
		}
		if keys.add(key) || keys.tooMany() {
			f.Twice = key
		}
		switch {
		case Is(key, "name"):
			f.Name, ok = s.text(depth)
		case Is(key, "namespace"):
			f.Namespace, ok = s.text(depth)
		case Is(key, "uid"):
			f.UID, ok = s.text(depth)
		case Is(key, "resourceVersion"):
			f.Version, ok = s.text(depth)
		case Is(key, "annotations"):
			ok = s.annotations(depth, f)
		case Is(key, "managedFields"):
			ok = s.skip(depth)
			f.cutFrom, f.cutTo = at, s.i
			if first && s.peek() == ',' {
				f.cutTo = s.i + 1
			}
		default:
			if IsAny(key, "name", "namespace", "uid", "resourceVersion") {
				f.Twice = key
			}
			ok = s.skip(depth)
		}
		if !ok {
			return false
		}
	}
}

func (s *Scanner) annotations(depth int, f *Frame) bool {
	f.InitialEnd = false
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
		if Is(key, "k8s.io/initial-events-end") {
			raw, ok := s.text(depth)
			if !ok {
				return false
			}
			f.InitialEnd = Is(raw, "true")
		} else if !s.skip(depth) {
			return false
		}
	}
}
