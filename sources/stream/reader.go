package stream

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

const (
	// maxFrame bounds a watch frame and an item of a list. An API server's own
	// objects end at about 1.5 MB, what etcd takes.
	maxFrame = 16 << 20
	// readBuffer is what a stream reads at a time: larger frames are put
	// together in a second buffer.
	readBuffer = 32 << 10
	// keepSpill is how large that second buffer may stay between frames.
	keepSpill = 128 << 10
)

// frameReader splits the body of a watch into its frames, one per line.
type frameReader struct {
	r     *bufio.Reader
	spill []byte
	limit int
}

func newFrameReader(r io.Reader) *frameReader {
	return &frameReader{r: bufio.NewReaderSize(r, readBuffer), limit: maxFrame}
}

// next returns the next line that is not blank; it is valid until the next
// call. Of a line longer than the limit it returns the start, tooLong, once
// the rest has been read and dropped. A last line without a line feed is
// returned too: whether it is a whole frame, its JSON tells. The error is
// io.EOF at the end, else what reading the body said.
func (f *frameReader) next() (line []byte, tooLong bool, err error) {
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

func (f *frameReader) line() (line []byte, tooLong bool, err error) {
	if cap(f.spill) > keepSpill {
		f.spill = nil
	}
	line, err = f.r.ReadSlice('\n')
	if !errors.Is(err, bufio.ErrBufferFull) {
		return line, false, err
	}
	f.spill = append(f.spill[:0], line...)
	for errors.Is(err, bufio.ErrBufferFull) {
		line, err = f.r.ReadSlice('\n')
		if room := f.limit - len(f.spill); len(line) > room {
			line, tooLong = line[:room], true
		}
		f.spill = append(f.spill, line...)
	}
	return f.spill, tooLong, err
}
