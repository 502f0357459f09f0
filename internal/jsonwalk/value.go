package jsonwalk

import (
	"bytes"

	"github.com/fairlead-dev/fairlead/internal/jsontext"
)

// Value is a JSON value in place. It begins with the value's first byte and goes on
// behind its last one: where a value ends is looked for when it is asked for. The
// empty Value is none.
type Value []byte

// Kind is what a value is.
type Kind uint8

// The kinds of values. None is said of what is not there, or is no JSON.
const (
	None Kind = iota
	Null
	Bool
	Number
	String
	List
	Object
)

// At returns the value that text begins with, white space before it left out.
func At(text []byte) Value { return text[blank(text):] }

// Kind tells by the first byte what the value is.
func (v Value) Kind() Kind {
	if len(v) == 0 {
		return None
	}
	switch c := v[0]; c {
	case '{':
		return Object
	case '[':
		return List
	case '"':
		return String
	case 't', 'f':
		return Bool
	case 'n':
		return Null
	default:
		if c == '-' || '0' <= c && c <= '9' {
			return Number
		}
		return None
	}
}

// Bytes returns the value without what follows it.
func (v Value) Bytes() []byte { return v[:end(v)] }

// After returns what follows the value.
func (v Value) After() []byte { return v[end(v):] }

// Raw returns what stands between the quotes of a string, escapes as they are; nil
// if the value is no string.
func (v Value) Raw() []byte {
	if v.Kind() != String {
		return nil
	}
	n := endOfString(v)
	if n < 2 || v[n-1] != '"' {
		return nil
	}
	return v[1 : n-1]
}

// Text returns a string as it is meant. It allocates.
func (v Value) Text() string { return jsontext.Unquote(v.Raw()) }

// True reports whether the value is true.
func (v Value) True() bool { return len(v) > 0 && v[0] == 't' }

// Is reports whether the value is a string that means word.
func (v Value) Is(word string) bool {
	return v.Kind() == String && jsontext.Is(v.Raw(), word)
}

// Get returns the member of an object whose key means the word; empty if there is
// none, or if the value is no object.
func (v Value) Get(key string) Value {
	for m := v.Members(); m.Next(); {
		if jsontext.Is(m.Key, key) {
			return m.Value
		}
	}
	return nil
}

// Empty reports whether an object or list has nothing in it.
func (v Value) Empty() bool {
	inside, ok := bytes.CutPrefix(v, []byte{'{'})
	if !ok {
		inside, ok = bytes.CutPrefix(v, []byte{'['})
	}
	if inside = At(inside); !ok || len(inside) == 0 {
		return false
	}
	return inside[0] == '}' || inside[0] == ']'
}
