package jsontext

import (
	"strconv"
	"unicode/utf8"
)

const (
	// MaxDepth is how deep a portable value nests: with the event around it no
	// deeper than 100, at which the strictest of the common decoders stop by
	// default (Ruby's at 100, serde_json at 128, CPython's and Jackson's at 1000).
	MaxDepth = 99
	// longNumber is the length in bytes from which on a number without an
	// exponent may be too large for a float64, which ends at 1.8e308.
	longNumber = 300
)

// Doubtful reports whether a JSON number, as it is spelled, may be one that a
// Portable text does not hold.
func Doubtful(number []byte) bool {
	if len(number) >= longNumber {
		return true
	}
	for _, c := range number {
		if c == 'e' || c == 'E' {
			return true
		}
	}
	return false
}

// Portable reports whether common decoders can read a JSON value, and read the
// same. The pieces together are the value: cut between members, if at all, and
// known to be JSON. A portable text is UTF-8 (RFC 8259, 8.1), no escape in it
// stands for half of a surrogate pair (RFC 7493, 2.1; serde_json and PostgreSQL
// refuse it, Python passes on what it cannot encode again), its numbers are
// within what a float64 holds (RFC 7493, 2.2; encoding/json refuses 1e999,
// CPython integers of more than 4300 digits), and it nests no deeper than
// MaxDepth.
func Portable(pieces ...[]byte) bool {
	depth := 0
	for _, text := range pieces {
		if !utf8.Valid(text) {
			return false
		}
		for i := 0; i < len(text); {
			switch c := text[i]; {
			case c == '"':
				n, ok := portableString(text[i:])
				if !ok {
					return false
				}
				i += n
			case c == '-' || '0' <= c && c <= '9':
				n := 1
				for i+n < len(text) && inNumber(text[i+n]) {
					n++
				}
				if !portableNumber(text[i : i+n]) {
					return false
				}
				i += n
			default:
				switch c {
				case '{', '[':
					if depth++; depth > MaxDepth {
						return false
					}
				case '}', ']':
					depth--
				}
				i++
			}
		}
	}
	return true
}

func inNumber(c byte) bool {
	return '0' <= c && c <= '9' || c == '.' || c == 'e' || c == 'E' || c == '+' || c == '-'
}

func portableNumber(number []byte) bool {
	if !Doubtful(number) {
		return true
	}
	_, err := strconv.ParseFloat(string(number), 64)
	return err == nil // there is one for what is out of range
}

// portableString returns the length of the string that text begins with,
// quotes included.
func portableString(text []byte) (n int, ok bool) {
	half := false // right before i stands the first half of a surrogate pair
	for i := 1; i < len(text); {
		c := text[i]
		if c == '\\' && i+6 <= len(text) && text[i+1] == 'u' {
			first, second := surrogate(text[i+2:])
			if second != half {
				return 0, false
			}
			half = first
			i += 6
			continue
		}
		if half {
			return 0, false
		}
		switch c {
		case '"':
			return i + 1, true
		case '\\':
			i += 2
		default:
			i++
		}
	}
	return len(text), false // not reached in what is JSON
}

// surrogate tells what four hexadecimal digits stand for: the first half of
// a surrogate pair (D800 to DBFF), the second (DC00 to DFFF), or neither.
func surrogate(hex []byte) (first, second bool) {
	if hex[0] != 'd' && hex[0] != 'D' {
		return false, false
	}
	switch hex[1] {
	case '8', '9', 'a', 'A', 'b', 'B':
		return true, false
	case 'c', 'C', 'd', 'D', 'e', 'E', 'f', 'F':
		return false, true
	}
	return false, false
}
