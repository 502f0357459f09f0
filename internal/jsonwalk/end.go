package jsonwalk

import (
	"encoding/binary"
	"math/bits"
)

// blank returns how much white space b begins with.
func blank(b []byte) int {
	for i, c := range b {
		if c > ' ' || c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			return i
		}
	}
	return len(b)
}

// end returns the length of the value that b begins with.
func end(b []byte) int {
	if len(b) == 0 {
		return 0
	}
	switch b[0] {
	case '"':
		return endOfString(b)
	case '{', '[':
		return endOfNested(b)
	}
	for i, c := range b {
		switch c {
		case ',', ']', '}', ' ', '\n', '\t', '\r', ':':
			return max(i, 1)
		}
	}
	return len(b)
}

const (
	each  = 0x0101010101010101 // times a byte: that byte eight times over
	highs = 0x80 * each
)

// endOfString returns the length of the string that b begins with, quotes included.
func endOfString(b []byte) int {
	i := 1
	for {
		// Eight bytes at a time up to the first that is a quote or a backslash
		// (see "Bit Twiddling Hacks", "Determine if a word has a zero byte"). The
		// lowest bit found is exact; higher ones may be false, but are never
		// looked at.
		for i+8 <= len(b) {
			x := binary.LittleEndian.Uint64(b[i:])
			quote, slash := x^('"'*each), x^('\\'*each)
			if found := ((quote-each)&^quote | (slash-each)&^slash) & highs; found != 0 {
				i += bits.TrailingZeros64(found) / 8
				break
			}
			i += 8
		}
		if i >= len(b) {
			return len(b)
		}
		switch b[i] {
		case '"':
			return i + 1
		case '\\':
			i += 2
		default: // within the last seven bytes
			i++
		}
	}
}
