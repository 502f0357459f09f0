package wire

import (
	"bytes"
	"hash/maphash"

	"github.com/fairlead-dev/fairlead/internal/jsontext"
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

// Plain reports whether a string stands for itself, see jsontext.Plain.
func Plain(raw []byte) bool { return jsontext.Plain(raw) }

// Is reports whether the raw content of a string, a key mostly, means word.
func Is(raw []byte, word string) bool { return jsontext.Is(raw, word) }

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
func Unquote(raw []byte) string { return jsontext.Unquote(raw) }
