package jsonwalk

import (
	"encoding/binary"
	"math/bits"
)

// endOfNested returns the length of the object or list that b begins with. It counts
// brackets outside of strings; that they match is known.
//
// Most of an object is skipped, so this goes by blocks of 64 bytes, with one bit for
// each byte (see Langdale and Lemire, "Parsing Gigabytes of JSON per Second", 3.1).
func endOfNested(b []byte) int {
	depth := 0
	inside := uint64(0) // all bits: the block begins inside of a string
	escaped := false    // the block begins behind a backslash that escapes
	i := 0
	for ; len(b)-i >= 64; i += 64 {
		block := (*[64]byte)(b[i:])
		quotes, slashes, opening, closing := classes(block)
		if slashes != 0 || escaped {
			var behind uint64
			behind, escaped = behindEscapes(slashes, escaped)
			quotes &^= behind
		}
		text := toggled(quotes) ^ inside
		inside = uint64(int64(text) >> 63)
		opening &^= text
		closing &^= text
		if less := bits.OnesCount64(closing); less < depth {
			depth += bits.OnesCount64(opening) - less
			continue
		}
		for brackets := opening | closing; brackets != 0; brackets &= brackets - 1 {
			if lowest := brackets & -brackets; opening&lowest != 0 {
				depth++
			} else if depth--; depth == 0 {
				return i + bits.TrailingZeros64(brackets) + 1
			}
		}
	}
	return i + endOfTail(b[i:], depth, inside != 0, escaped)
}

// endOfTail does the same byte by byte, from anywhere inside of the value.
func endOfTail(b []byte, depth int, inside, escaped bool) int {
	for i, c := range b {
		switch {
		case escaped:
			escaped = false
		case inside:
			inside, escaped = c != '"', c == '\\'
		case c == '"':
			inside = true
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(b)
}

// classes returns which bytes of a block are quotes, backslashes, opening and closing
// brackets; of the brackets only those outside of strings are sure.
func classes(block *[64]byte) (quotes, slashes, opening, closing uint64) {
	var escapes uint64
	for n := 0; n < 64; n += 8 {
		x := binary.LittleEndian.Uint64(block[n : n+8])
		slash := x ^ '\\'*each
		escapes |= (slash - each) &^ slash
		quotes |= zeros(x^'"'*each) << n
		// Of all bytes of JSON outside of strings, only the brackets have all bits
		// of 0x59, and the second bit is set in those that open.
		closing |= zeros((x|0x26*each)^0x7F*each) << n
		opening |= (x >> 1 & each) * gather >> 56 << n
	}
	if escapes&highs != 0 {
		for n := 0; n < 64; n += 8 {
			slashes |= zeros(binary.LittleEndian.Uint64(block[n:n+8])^'\\'*each) << n
		}
	}
	return quotes, slashes, opening & closing, closing &^ opening
}

// gather times a word of bytes that are 0 or 1 has them as bits in its highest byte.
const gather = 0x0102040810204080

// zeros returns a bit for each byte of x that is zero, the lowest for the first.
func zeros(x uint64) uint64 {
	const lows = 0x7F * each
	found := ^((x&lows + lows) | x | lows) // the highest bit of each such byte
	return (found >> 7) * gather >> 56
}

// behindEscapes returns which bytes stand behind a backslash that escapes them, and
// whether the last one is such a backslash.
func behindEscapes(slashes uint64, first bool) (behind uint64, last bool) {
	if first {
		behind = 1
		slashes &^= 1
	}
	for slashes != 0 {
		at := bits.TrailingZeros64(slashes)
		if at == 63 {
			return behind, true
		}
		behind |= 1 << (at + 1)
		slashes &^= 3 << at
	}
	return behind, false
}

// toggled returns which bits have an odd number of bits set at or below them: from a
// quote on up to the next.
func toggled(quotes uint64) uint64 {
	quotes ^= quotes << 1
	quotes ^= quotes << 2
	quotes ^= quotes << 4
	quotes ^= quotes << 8
	quotes ^= quotes << 16
	return quotes ^ quotes<<32
}
