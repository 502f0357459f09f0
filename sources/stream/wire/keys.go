package wire

import (
	"bytes"
	"encoding/json"
	"hash/maphash"
)

// keySet tells the keys of one JSON object apart, in constant time for each. Its
// zero value is ready.
type keySet struct {
	few [24]uint64 // hashes of the first ones
	n   int
	all map[uint64]struct{} // once there are more
}

// MaxKeys bounds the keys of one object that are told apart. No object of
// Kubernetes has more than some tens.
const MaxKeys = 10_000

// keySeed keeps members from choosing keys that hash alike.
var keySeed = maphash.MakeSeed()

func (k *keySet) reset() {
	if k.n > len(k.few) {
		k.all = nil // which is so rare that its memory is not kept
	}
	k.n = 0
}

// add notes a key, raw as it stands between its quotes. It reports whether it
// was there before.
func (k *keySet) add(raw []byte) (again bool) {
	if !Plain(raw) {
		raw = []byte(Unquote(raw))
	}
	hash := maphash.Bytes(keySeed, raw)
	if k.n < len(k.few) {
		for _, other := range k.few[:k.n] {
			if other == hash {
				return true
			}
		}
		k.few[k.n] = hash
		k.n++
		return false
	}
	if k.all == nil {
		k.all = map[uint64]struct{}{}
		for _, other := range k.few {
			k.all[other] = struct{}{}
		}
	}
	if _, again = k.all[hash]; again || k.tooMany() {
		return again
	}
	k.all[hash] = struct{}{}
	k.n++
	return false
}

// tooMany reports whether keys are no longer told apart.
func (k *keySet) tooMany() bool { return k.n >= MaxKeys }

// Plain reports whether the raw content of a string stands for itself: ASCII
// without escapes, as all of Kubernetes' identifiers are.
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
	if string(raw) == word {
		return true
	}
	return !Plain(raw) && Unquote(raw) == word
}

// IsAny reports whether decoders that do not tell capitals from others, as
// encoding/json does not, take the raw content of a string for one of words.
func IsAny(raw []byte, words ...string) bool {
	if !Plain(raw) {
		raw = []byte(Unquote(raw))
	}
	for _, word := range words {
		if len(raw) >= len(word) && bytes.EqualFold(raw, []byte(word)) {
			return true
		}
	}
	return false
}

// Unquote returns the string that a raw content stands for.
func Unquote(raw []byte) string {
	if Plain(raw) {
		return string(raw)
	}
	quoted := make([]byte, 0, len(raw)+2)
	quoted = append(append(append(quoted, '"'), raw...), '"')
	var text string
	if json.Unmarshal(quoted, &text) != nil {
		return "" // not reached: the scanner accepted it as a string
	}
	return text
}
