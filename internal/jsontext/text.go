package jsontext

import (
	"bytes"
	"encoding/binary"
	"unicode/utf8"
)

const hexLower = "0123456789abcdef"

// AppendString appends s as a JSON string, quotes included. Bytes that are not
// UTF-8 become U+FFFD, as encoding/json has it. It allocates nothing but what
// dst has to grow.
func AppendString(dst []byte, s string) []byte {
	return append(AppendEscaped(append(dst, '"'), s), '"')
}

// AppendEscaped appends the inside of a JSON string, as AppendString does.
func AppendEscaped(dst []byte, s string) []byte {
	if isPlain(s) {
		return append(dst, s...)
	}
	start := 0
	for i := 0; i < len(s); {
		b := s[i]
		if b < utf8.RuneSelf {
			if b >= ' ' && b != '"' && b != '\\' {
				i++
				continue
			}
			dst = append(dst, s[start:i]...)
			if b < ' ' {
				dst = append(dst, '\\', 'u', '0', '0', hexLower[b>>4], hexLower[b&15])
			} else {
				dst = append(dst, '\\', b)
			}
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			dst = append(dst, s[start:i]...)
			dst = append(dst, `\ufffd`...)
			start = i + 1
		}
		i += size
	}
	return append(dst, s[start:]...)
}

// isPlain reports whether s stands for itself in a JSON string: nearly all strings do.
func isPlain(s string) bool {
	if len(s) < 8 {
		for i := range len(s) {
			if b := s[i]; b < ' ' || b >= utf8.RuneSelf || b == '"' || b == '\\' {
				return false
			}
		}
		return true
	}
	for i := 0; i+8 < len(s); i += 8 {
		if !arePlain(s[i : i+8]) {
			return false
		}
	}
	return arePlain(s[len(s)-8:])
}

// arePlain reports whether all of eight bytes stand for themselves in a JSON string: they
// are ASCII, and no control character, quote or backslash. The lowest byte that does not
// has its highest bit in what is looked at, as less than n minus n borrows: see "Determine
// if a word has a byte less than n" in Sean Anderson's Bit Twiddling Hacks.
func arePlain(eight string) bool {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	w := binary.LittleEndian.Uint64([]byte(eight)) // one load: the compiler makes no copy
	return (w|(w-ones*' ')|((w^ones*'"')-ones)|((w^ones*'\\')-ones))&high == 0
}

// AppendOneLine appends JSON with its line ends turned into spaces, as
// SpaceLineEnds does.
func AppendOneLine(dst, value []byte) []byte {
	start := len(dst)
	dst = append(dst, value...)
	SpaceLineEnds(dst[start:])
	return dst
}

// SpaceLineEnds turns line ends into spaces. In JSON they can only stand
// between tokens, so that changes nothing; in what is not JSON it keeps the
// harm to this one line.
func SpaceLineEnds(text []byte) {
	for _, end := range []byte{'\n', '\r'} {
		for at := text; ; {
			i := bytes.IndexByte(at, end)
			if i < 0 {
				break
			}
			at[i] = ' '
			at = at[i+1:]
		}
	}
}
