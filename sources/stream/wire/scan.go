package wire

import (
	"encoding/binary"
	"math/bits"

	"github.com/fairlead-dev/fairlead/internal/jsontext"
)

// maxDepth is how deep arrays and objects may nest, the same as in
// encoding/json.
const maxDepth = 10000

// Scanner walks over JSON in place. It accepts exactly what json.Valid accepts
// and allocates nothing. Its methods return false at the first byte that
// cannot be JSON; what was picked out until then stands.
type Scanner struct {
	b []byte
	i int
	// doubtful: something was seen that may not be portable, see
	// jsontext.Portable: a byte that is no ASCII, half of a surrogate pair, an
	// unusual number, deep nesting.
	doubtful bool
	// keys are those of the object that is being scanned, and of its metadata.
	keys [2]keySet
	// kinds has a bit per level of nesting that skip is inside of: set for an
	// object, clear for an array. It grows with the deepest frame: most need one word, and
	// there is a Scanner for each stream.
	kinds []uint64
}

func (s *Scanner) reset(b []byte) { s.b, s.i, s.doubtful = b, 0, false }

// peek returns the next byte that is no white space without consuming it, or
// 0 at the end (a byte that no JSON value or punctuation starts with).
func (s *Scanner) peek() byte {
	for s.i < len(s.b) {
		switch c := s.b[s.i]; c {
		case ' ', '\t', '\r', '\n':
			s.i++
		default:
			return c
		}
	}
	return 0
}

// end reports whether nothing but white space is left.
func (s *Scanner) end() bool { return s.peek() == 0 && s.i == len(s.b) }

// member steps to the value of the next member of an object whose opening
// brace has been consumed. At the closing brace, which it consumes, more is
// false. The key is raw: what stands between the quotes.
func (s *Scanner) member(first bool) (key []byte, more, ok bool) {
	c := s.peek()
	if c == '}' {
		s.i++
		return nil, false, true
	}
	if !first {
		if c != ',' {
			return nil, false, false
		}
		s.i++
	}
	key, ok = s.key()
	return key, ok, ok
}

// key consumes a member's name and the colon behind it.
func (s *Scanner) key() (key []byte, ok bool) {
	if s.peek() != '"' {
		return nil, false
	}
	key, ok = s.str()
	if !ok || s.peek() != ':' {
		return nil, false
	}
	s.i++
	return key, true
}

// text consumes a value and returns what stands between the quotes if it is a
// string, nil if it is anything else.
func (s *Scanner) text(depth int) (raw []byte, ok bool) {
	if s.peek() == '"' {
		return s.str()
	}
	return nil, s.skip(depth)
}

// skip consumes a value that stands inside depth arrays and objects.
func (s *Scanner) skip(outer int) bool {
	depth := outer
	for {
		switch c := s.peek(); {
		case c == '"':
			if _, ok := s.str(); !ok {
				return false
			}
		case c == '-' || '0' <= c && c <= '9':
			if !s.number() {
				return false
			}
		case c == '{' || c == '[':
			s.i++
			if depth++; depth > maxDepth {
				return false
			}
			if depth > jsontext.MaxDepth {
				s.doubtful = true
			}
			if depth/64 >= len(s.kinds) {
				s.kinds = append(s.kinds, 0)
			}
			word, bit := &s.kinds[depth/64], uint64(1)<<(depth%64)
			if c == '[' {
				*word &^= bit
				if s.peek() != ']' {
					continue
				}
			} else {
				*word |= bit
				if s.peek() != '}' {
					if _, ok := s.key(); !ok {
						return false
					}
					continue
				}
			}
			s.i++
			depth--
		case c == 't':
			if !s.literal("true") {
				return false
			}
		case c == 'f':
			if !s.literal("false") {
				return false
			}
		case c == 'n':
			if !s.literal("null") {
				return false
			}
		default:
			return false
		}
		if more, ok := s.after(&depth, outer); !ok || !more {
			return ok
		}
	}
}

// after consumes what follows a value: closing brackets up to the outer level
// (then there is no more), or a comma and the next key.
func (s *Scanner) after(depth *int, outer int) (more, ok bool) {
	for *depth > outer {
		object := s.kinds[*depth/64]>>(*depth%64)&1 == 1
		switch c := s.peek(); {
		case c == ',':
			s.i++
			if object {
				_, ok := s.key()
				return ok, ok
			}
			return true, true
		case c == '}' && object, c == ']' && !object:
			s.i++
			*depth--
		default:
			return false, false
		}
	}
	return false, true
}

func (s *Scanner) literal(word string) bool {
	if len(s.b)-s.i < len(word) || string(s.b[s.i:s.i+len(word)]) != word {
		return false
	}
	s.i += len(word)
	return true
}

// number consumes -?(0|[1-9][0-9]*)(.[0-9]+)?([eE][+-]?[0-9]+)?
func (s *Scanner) number() bool {
	from := s.i
	if s.b[s.i] == '-' {
		s.i++
	}
	if s.i < len(s.b) && s.b[s.i] == '0' {
		s.i++
	} else if !s.digits() {
		return false
	}
	if s.i < len(s.b) && s.b[s.i] == '.' {
		s.i++
		if !s.digits() {
			return false
		}
	}
	if s.i < len(s.b) && (s.b[s.i] == 'e' || s.b[s.i] == 'E') {
		s.i++
		if s.i < len(s.b) && (s.b[s.i] == '+' || s.b[s.i] == '-') {
			s.i++
		}
		if !s.digits() {
			return false
		}
	}
	if jsontext.Doubtful(s.b[from:s.i]) {
		s.doubtful = true
	}
	return true
}

// digits consumes one digit or more.
func (s *Scanner) digits() bool {
	from := s.i
	for s.i < len(s.b) && '0' <= s.b[s.i] && s.b[s.i] <= '9' {
		s.i++
	}
	return s.i > from
}

const (
	each  = 0x0101010101010101 // times a byte: that byte eight times over
	highs = 0x80 * each
)

// str consumes a string, the opening quote being next, and returns what stands
// between the quotes. Like encoding/json it takes any bytes that are no
// control characters for text, valid UTF-8 or not; of what is no plain ASCII it
// takes note.
func (s *Scanner) str() (raw []byte, ok bool) {
	b, i := s.b, s.i+1
	from := i
	var seen uint64 // all of the text, for the highest bits of its bytes
	for {
		// Eight bytes at a time up to the first that is a quote, a backslash
		// or below 0x20 (see "Bit Twiddling Hacks", "Determine if a word has a
		// byte less than n"). The lowest bit found is exact; higher ones may
		// be false, but are never looked at.
		for i+8 <= len(b) {
			x := binary.LittleEndian.Uint64(b[i:])
			seen |= x // also of what is behind the end: it only makes more doubtful
			quote, slash := x^('"'*each), x^('\\'*each)
			found := ((x-0x20*each)&^x | (quote-each)&^quote | (slash-each)&^slash) & highs
			if found != 0 {
				i += bits.TrailingZeros64(found) / 8
				break
			}
			i += 8
		}
		if i >= len(b) {
			s.i = len(b)
			return nil, false
		}
		switch c := b[i]; {
		case c == '"':
			if seen&highs != 0 {
				s.doubtful = true
			}
			s.i = i + 1
			return b[from:i], true
		case c == '\\':
			n := escape(b[i:])
			if n == 0 {
				s.i = i
				return nil, false
			}
			if n == 6 && b[i+2]|0x20 == 'd' && b[i+3] >= '8' {
				s.doubtful = true // half of a surrogate pair
			}
			i += n
		case c < 0x20:
			s.i = i
			return nil, false
		default: // within the last seven bytes
			seen |= uint64(c)
			i++
		}
	}
}

// escape returns the length of the escape sequence that b starts with, 0 if it
// is none.
func escape(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case 'b', 'f', 'n', 'r', 't', '\\', '/', '"':
		return 2
	case 'u':
		if len(b) < 6 {
			return 0
		}
		for _, c := range b[2:6] {
			if !('0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F') {
				return 0
			}
		}
		return 6
	}
	return 0
}
