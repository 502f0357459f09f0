package postgres

import (
	"bytes"
	"slices"
)

// replacement takes the place of an escape that PostgreSQL cannot store: as long.
const replacement = `\ufffd`

// clean returns an object as PostgreSQL can store it, and whether that is another one
// than was given: the escape of the zero character, which JSON has and PostgreSQL's
// text has not, and halves of surrogate pairs become U+FFFD. Type json would take
// them, and fail each query that reads them.
// https://www.postgresql.org/docs/15/datatype-json.html
//
// object is not changed. It must be JSON.
func clean(object []byte) (_ []byte, altered bool) {
	if !bytes.Contains(object, []byte(`\u0000`)) && !bytes.Contains(object, []byte(`\ud`)) && !bytes.Contains(object, []byte(`\uD`)) {
		return object, false // as almost always
	}
	out := object
	for i := 0; ; {
		next := bytes.IndexByte(out[i:], '\\')
		if next < 0 {
			return out, altered
		}
		if i += next; len(out)-i < len(replacement) || out[i+1] != 'u' {
			i = min(i+2, len(out)) // another escape
			continue
		}
		n := escapes(out[i:])
		if n == 0 {
			if !altered {
				out, altered = slices.Clone(object), true
			}
			n = copy(out[i:], replacement)
		}
		i += n
	}
}

// escapes returns the length of the escape \uXXXX that text begins with, or of two that
// are a pair; 0 if it cannot be stored.
func escapes(text []byte) int {
	switch hex := text[2:6]; {
	case string(hex) == "0000":
		return 0
	case hex[0]|0x20 != 'd' || hex[1] < '8':
		return len(replacement)
	case isHigh(hex[1]) && len(text) >= 12 && text[6] == '\\' && text[7] == 'u' && text[8]|0x20 == 'd' && isLow(text[9]):
		return 2 * len(replacement)
	}
	return 0
}

// isHigh reports whether \uD and this digit begin the first half of a pair.
func isHigh(digit byte) bool {
	return digit == '8' || digit == '9' || digit|0x20 == 'a' || digit|0x20 == 'b'
}

// isLow reports the same for the second half.
func isLow(digit byte) bool { return 'c' <= digit|0x20 && digit|0x20 <= 'f' }
