package wire

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"sync"
)

const (
	// MaxFrame bounds a watch frame and an item of a list. An API server's own
	// objects end at about 1.5 MB, what etcd takes.
	MaxFrame = 16 << 20
	// ReadBuffer is what a stream reads at a time: larger frames are put
	// together in a spill.
	ReadBuffer = 32 << 10
)

// readBuffers are the buffers of all streams. A stream holds one only while
// there is something in it: most streams are idle nearly always.
var readBuffers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, ReadBuffer) }}

// FrameReader splits the body of a watch into its frames, one per line.
type FrameReader struct {
	source source
	r      *bufio.Reader // on source; nil: nothing is buffered
	spill  *Spill
	limit  int
}

// NewFrameReader returns a reader of the frames of a watch.
func NewFrameReader(r io.Reader, s *Spill) *FrameReader {
	return &FrameReader{source: source{r: r}, spill: s, limit: MaxFrame}
}

// source is a reader that can be waited for with next to no buffer.
type source struct {
	r     io.Reader
	err   error // of r, once it has failed
	first [512]byte
	ahead []byte // of first: what was read while waiting
}

// wait blocks until there is something to be read.
func (s *source) wait() {
	var n int
	if s.err == nil {
		n, s.err = s.r.Read(s.first[:])
	}
	s.ahead = s.first[:n]
}

func (s *source) Read(p []byte) (n int, err error) {
	switch {
	case len(s.ahead) > 0:
		n = copy(p, s.ahead)
		s.ahead = s.ahead[n:]
		return n, nil
	case s.err == nil:
		n, s.err = s.r.Read(p)
	}
	return n, s.err
}

// buffer makes sure of a buffer with something in it, or an error behind it.
func (f *FrameReader) buffer() {
	if f.r != nil && f.r.Buffered() > 0 {
		return
	}
	f.Release()
	f.source.wait()
	f.r, _ = readBuffers.Get().(*bufio.Reader)
	f.r.Reset(&f.source)
}

// Release gives the buffer back. What is in it is lost.
func (f *FrameReader) Release() {
	if f.r != nil {
		f.r.Reset(nil)
		readBuffers.Put(f.r)
		f.r = nil
	}
}

// Next returns the next line that is not blank; it is valid until the next
// call. Of a line longer than the limit it returns the start, tooLong, once
// the rest has been read and dropped. A last line without a line feed is
// returned too: whether it is a whole frame, its JSON tells. The error is
// io.EOF at the end, else what reading the body said.
func (f *FrameReader) Next() (line []byte, tooLong bool, err error) {
	for {
		line, tooLong, err = f.line()
		if tooLong || len(bytes.TrimSpace(line)) > 0 {
			if errors.Is(err, io.EOF) {
				err = nil // told by the next call
			}
			return line, tooLong, err
		}
		if err != nil {
			return nil, false, err
		}
	}
}

func (f *FrameReader) line() (line []byte, tooLong bool, err error) {
	f.spill.Drop()
	f.buffer()
	line, err = f.r.ReadSlice('\n')
	if !errors.Is(err, bufio.ErrBufferFull) {
		return line, false, err
	}
	if err := f.spill.add(line); err != nil {
		return nil, false, err
	}
	for errors.Is(err, bufio.ErrBufferFull) {
		line, err = f.r.ReadSlice('\n')
		if room := f.limit - len(f.spill.b); len(line) > room {
			line, tooLong = line[:room], true
		}
		if err := f.spill.add(line); err != nil {
			return nil, false, err
		}
	}
	return f.spill.b, tooLong, err
}
