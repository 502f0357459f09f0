package httpsink

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http/httptrace"
	"sync/atomic"
)

// maxKept is the largest draft that is kept for another request, in bytes.
const maxKept = 8 << 20

// draft is a body under construction. Its memory is used for the next request, but not
// while the transport may still read it: that may go on after a request has failed, or
// was answered early.
type draft struct {
	body   []byte  // but for the objects that stand within it
	insets []inset // those objects
	within int     // how many bytes they have
	reader bytes.Reader
	trace  httptrace.ClientTrace
	// How often the transport has begun to send it, and how often that ended.
	begun, ended atomic.Int32
}

// draft returns one that is empty.
func (s *Sink) draft() *draft {
	d := s.drafts.Get().(*draft)
	d.cut(mark{})
	return d
}

// size returns how many bytes a draft has.
func (d *draft) size() int { return len(d.body) + d.within }

// mark is a place within a draft: that much stands before it.
type mark struct{ body, insets, within int }

func (m mark) size() int { return m.body + m.within }

// end returns the place behind all that a draft has.
func (d *draft) end() mark { return mark{len(d.body), len(d.insets), d.within} }

// cut takes away what stands behind a place.
func (d *draft) cut(at mark) {
	clear(d.insets[at.insets:])
	d.body, d.insets, d.within = d.body[:at.body], d.insets[:at.insets], at.within
}

// inset has an object stand at the end.
func (d *draft) inset(object []byte) {
	d.insets = append(d.insets, inset{len(d.body), object})
	d.within += len(object)
}

// open returns what is sent of a draft with objects within it.
func (d *draft) open() *body { return &body{text: d.body, insets: d.insets, size: d.size()} }

func newDraft() any {
	d := &draft{}
	d.trace.GotConn = func(httptrace.GotConnInfo) { d.begun.Add(1) }
	d.trace.WroteRequest = func(httptrace.WroteRequestInfo) { d.ended.Add(1) }
	return d
}

// drop ends the use of a draft.
func (s *Sink) drop(d *draft) {
	if d.begun.Load() == d.ended.Load() && cap(d.body) <= maxKept {
		d.begun.Store(0)
		d.ended.Store(0)
		d.cut(mark{}) // it keeps no object
		s.drafts.Put(d)
	}
}

// Write appends to the body.
func (d *draft) Write(p []byte) (int, error) {
	d.body = append(d.body, p...)
	return len(p), nil
}

func newZipper() any {
	w, err := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed)
	if err != nil {
		panic(err) // the level is a constant
	}
	return w
}

// zip writes a body, compressed, into a draft.
func (s *Sink) zip(into *draft, body []byte) error {
	w := s.zippers.Get().(*gzip.Writer)
	defer s.zippers.Put(w)
	w.Reset(into)
	_, err := w.Write(body)
	return errors.Join(err, w.Close())
}
