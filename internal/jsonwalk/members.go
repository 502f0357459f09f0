package jsonwalk

// Members walks over the members of an object:
//
//	for m := v.Members(); m.Next(); {
//		… m.Key, m.Value
//	}
type Members struct {
	rest  []byte // from the comma or the first key on, once Value is nil
	first bool

	Key   []byte // raw: what stands between the quotes
	Value Value
}

// Members returns a walk over the members of an object. Of another value there are
// none.
func (v Value) Members() Members {
	if len(v) == 0 || v[0] != '{' {
		return Members{}
	}
	return Members{rest: v[1:], first: true}
}

// Next steps to the next member, over the value of the one before. It returns false
// at the end.
func (m *Members) Next() bool {
	if m.Value != nil {
		m.Passed(m.Value.After())
	}
	m.Key = nil
	rest := m.rest[blank(m.rest):]
	if !m.first {
		if len(rest) == 0 || rest[0] != ',' {
			m.rest = rest
			return false
		}
		rest = rest[1:]
		rest = rest[blank(rest):]
	}
	m.first = false
	m.rest = rest
	if len(rest) == 0 || rest[0] != '"' {
		return false
	}
	n := endOfString(rest)
	if n < 2 || rest[n-1] != '"' {
		m.rest = nil
		return false
	}
	m.Key, rest = rest[1:n-1], rest[n:]
	rest = rest[blank(rest):]
	if len(rest) == 0 || rest[0] != ':' {
		m.Key, m.rest = nil, nil
		return false
	}
	m.Value = At(rest[1:])
	if len(m.Value) == 0 {
		m.Key, m.Value, m.rest = nil, nil, nil
		return false
	}
	return true
}

// Passed tells the walk what follows the value, for a caller that has found its end
// already: then it is not looked for again.
func (m *Members) Passed(after []byte) { m.rest, m.Value = after, nil }

// After returns what follows the object, once Next has returned false.
func (m *Members) After() []byte { return behind(m.rest, '}') }

// Elements walks over the elements of a list, as Members does over an object.
type Elements struct {
	rest  []byte
	first bool

	Value Value
}

// Elements returns a walk over the elements of a list. Of another value there are
// none.
func (v Value) Elements() Elements {
	if len(v) == 0 || v[0] != '[' {
		return Elements{}
	}
	return Elements{rest: v[1:], first: true}
}

// Next steps to the next element. It returns false at the end.
func (e *Elements) Next() bool {
	if e.Value != nil {
		e.Passed(e.Value.After())
	}
	rest := e.rest[blank(e.rest):]
	if !e.first {
		if len(rest) == 0 || rest[0] != ',' {
			e.rest = rest
			return false
		}
		rest = rest[1:]
		rest = rest[blank(rest):]
	}
	e.first = false
	e.rest = rest
	if len(rest) == 0 || rest[0] == ']' {
		return false
	}
	e.Value = rest
	return true
}

// Passed tells the walk what follows the element, see Members.Passed.
func (e *Elements) Passed(after []byte) { e.rest, e.Value = after, nil }

// After returns what follows the list, once Next has returned false.
func (e *Elements) After() []byte { return behind(e.rest, ']') }

func behind(rest []byte, closing byte) []byte {
	if len(rest) > 0 && rest[0] == closing {
		return rest[1:]
	}
	return nil
}
