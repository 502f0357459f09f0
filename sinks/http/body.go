package httpsink

import (
	"errors"
	"io"
	"sync"

	"github.com/fairlead-dev/fairlead/internal/jsontext"
)

const (
	// copied is how much of a body is put together before it is sent, in bytes: it goes off in
	// one piece with its headers. net/http sends as much at once of a larger one.
	copied = 32 << 10
	// leastInset is the smallest object that is read from where it is, in bytes: of a smaller
	// one the copy costs less.
	leastInset = 512
)

// errOver is what net/http gets that still reads a body after its request has ended.
var errOver = errors.New("the request has ended")

// inset is an object that stands within a body, in front of the byte at. It belongs to the
// change.
type inset struct {
	at     int
	object []byte
}

// body is what a request sends: a text, and objects within it that are copied only into
// the buffer from which they are sent. Of these it turns line ends into spaces, as
// jsontext.SpaceLineEnds does.
//
// net/http may read it after its request has failed or was answered early, when the objects
// belong to nobody any more. So a reader fails once the body is over.
type body struct {
	text   []byte
	insets []inset
	size   int // of all, in bytes

	mu   sync.Mutex
	over bool
}

// end has all readers fail, and waits for one that reads.
func (b *body) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over = true
}

// reader returns one that begins at the start.
func (b *body) reader() *bodyReader { return &bodyReader{body: b, left: b.size} }

// bodyReader reads a body once. Any goroutine may use it, one at a time.
type bodyReader struct {
	*body
	at   int // in the text
	next int // of the insets
	into int // how much of that has been read
	left int // of all
}

// Read fills p unless the body ends.
func (r *bodyReader) Read(p []byte) (n int, err error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		return 0, errOver
	}
	for n < len(p) && r.left > 0 {
		k := r.piece(p[n:])
		n += k
		r.left -= k
	}
	return n, nil
}

// piece reads what is left of a part of the text or of an object.
func (r *bodyReader) piece(p []byte) (n int) {
	end := len(r.text)
	if r.next < len(r.insets) {
		end = r.insets[r.next].at
	}
	if r.at < end {
		n = copy(p, r.text[r.at:end])
		r.at += n
		return n
	}
	object := r.insets[r.next].object
	n = copy(p, object[r.into:])
	jsontext.SpaceLineEnds(p[:n])
	if r.into += n; r.into == len(object) {
		r.next, r.into = r.next+1, 0
	}
	return n
}

// Close does nothing: what the body holds is not the reader's.
func (r *bodyReader) Close() error { return nil }
