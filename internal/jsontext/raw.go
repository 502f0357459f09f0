package jsontext

import "encoding/json"

// Plain reports whether the raw content of a string, which is what stands between its
// quotes, stands for itself: ASCII without escapes, as all of Kubernetes' identifiers
// are.
func Plain(raw []byte) bool {
	for _, c := range raw {
		if c == '\\' || c >= 0x80 {
			return false
		}
	}
	return true
}

// Is reports whether the raw content of a string, a key mostly, means word.
func Is(raw []byte, word string) bool {
	if len(raw) > 0 && raw[0] != '\\' && raw[0] < 0x80 && (word == "" || raw[0] != word[0]) {
		return false // as almost always
	}
	if Plain(raw) {
		return string(raw) == word
	}
	return Unquote(raw) == word
}

// Unquote returns the string that a raw content stands for. Bytes that are not UTF-8
// and halves of surrogate pairs become U+FFFD, as encoding/json has it.
func Unquote(raw []byte) string {
	if Plain(raw) {
		return string(raw)
	}
	quoted := make([]byte, 0, len(raw)+2)
	quoted = append(append(append(quoted, '"'), raw...), '"')
	var text string
	if json.Unmarshal(quoted, &text) != nil {
		return "" // not reached: it is known to be the inside of a string
	}
	return text
}
