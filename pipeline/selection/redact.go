package selection

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"sync"

	"github.com/fairlead-dev/fairlead/internal/jsontext"
	"github.com/fairlead-dev/fairlead/internal/jsonwalk"
)

const (
	// redactedPrefix is how the text starts that stands for a redacted value. The
	// HMAC-SHA256 of the value follows in hexadecimal digits.
	redactedPrefix = "hmac-sha256:"
	// redactedSize is the length of that text, quotes included.
	redactedSize = 2 + len(redactedPrefix) + 2*sha256.Size
	// maxRedacted is how many values of one object are hashed. It bounds by how
	// much an object can grow. What is redacted beyond it is left out.
	maxRedacted = 256
)

// MinRedactKey is the shortest key for redacted values, in bytes. With a key that can
// be guessed, values can be guessed as well.
const MinRedactKey = 16

// redactor replaces values by a keyed hash of them: equal values by the same text,
// wherever they stand and however their strings are escaped. It may be used
// concurrently.
type redactor struct {
	id     string // tells keys apart, and does not give the key away
	hashes sync.Pool
}

func newRedactor(key []byte) *redactor {
	r := &redactor{}
	r.hashes.New = func() any { return &redaction{hash: hmac.New(sha256.New, key)} }
	id := hmac.New(sha256.New, key)
	id.Write([]byte("fairlead: which key this is"))
	r.id = hex.EncodeToString(id.Sum(nil)[:8])
	return r
}

// redaction is the memory that hashing one value needs.
type redaction struct {
	hash hash.Hash
	text []byte
	sum  [sha256.Size]byte
}

// append appends the text that stands for the value.
func (r *redactor) append(to []byte, v jsonwalk.Value) []byte {
	h := r.hashes.Get().(*redaction)
	h.hash.Reset()
	h.text = appendCanonical(h.text[:0], v)
	h.hash.Write(h.text)
	to = append(append(to, '"'), redactedPrefix...)
	to = hex.AppendEncode(to, h.hash.Sum(h.sum[:0]))
	clear(h.text) // what was redacted does not stay in memory for longer than it has to
	if cap(h.text) <= 64<<10 {
		r.hashes.Put(h)
	}
	return append(to, '"')
}

// appendCanonical appends the value without white space, its strings escaped in one
// way. Numbers, and the order of keys, stay as they stand.
func appendCanonical(to []byte, v jsonwalk.Value) []byte {
	for rest := v.Bytes(); len(rest) > 0; {
		switch c := rest[0]; c {
		case '"':
			text := jsonwalk.Value(rest)
			if raw := text.Raw(); jsontext.Plain(raw) {
				to = append(append(append(to, '"'), raw...), '"')
			} else {
				to = jsontext.AppendString(to, jsontext.Unquote(raw))
			}
			rest = text.After()
			continue
		case ' ', '\n', '\t', '\r':
		default:
			to = append(to, c)
		}
		rest = rest[1:]
	}
	return to
}
