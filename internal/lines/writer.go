package lines

import (
	"bytes"
	"context"
	"io"
)

// keep is the most memory, in bytes, that a Writer holds on to between writes.
const keep = 32 << 20

// Writer writes lines to an [io.Writer].
type Writer struct {
	w    io.Writer
	done chan result // of the write under way
	busy bool        // one is under way
	buf  []byte      // what it writes
	head int         // how much of buf is the rest of an earlier line
	rest []byte      // of a line that was cut short
}

type result struct {
	n   int
	err error
}

// NewWriter returns a Writer to w. Nothing else may write to w meanwhile.
func NewWriter(w io.Writer) *Writer {
	return &Writer{w: w, done: make(chan result, 1)}
}

// Write writes the lines that encode appends to the slice it is given; each
// must end in '\n'. It returns nil once the underlying writer has taken all of
// them, else an error and any number of them may have been written.
//
// When ctx ends first, the write goes on in the background; the next call
// waits for it before encode is called.
func (w *Writer) Write(ctx context.Context, encode func(dst []byte) []byte) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if w.busy {
		// What became of it was the business of the caller who has left; only
		// how its last line ended is ours.
		if ended, _ := w.wait(ctx); !ended {
			return context.Cause(ctx)
		}
	}
	if cap(w.buf) > keep {
		w.buf = nil
	}
	w.head = len(w.rest)
	w.buf = encode(append(w.buf[:0], w.rest...))
	if len(w.buf) == 0 {
		return nil
	}
	w.busy = true
	go func(p []byte) {
		n, err := writeAll(w.w, p)
		w.done <- result{n, err}
	}(w.buf)
	ended, err := w.wait(ctx)
	if !ended {
		return context.Cause(ctx)
	}
	return err
}

// wait waits for the write under way, unless ctx ends first, and remembers
// what is missing of the line that it broke off in.
func (w *Writer) wait(ctx context.Context) (ended bool, err error) {
	var r result
	select {
	case r = <-w.done:
	case <-ctx.Done():
		return false, nil
	}
	w.busy = false
	w.rest = w.rest[:0]
	switch n := min(max(r.n, 0), len(w.buf)); {
	case n < w.head:
		w.rest = append(w.rest, w.buf[n:w.head]...)
	case n > 0 && n < len(w.buf) && w.buf[n-1] != '\n':
		line, _, _ := bytes.Cut(w.buf[n:], []byte{'\n'})
		w.rest = append(append(w.rest, line...), '\n')
	}
	return true, r.err
}

// writeAll goes on after short writes; those of an [os.File] never are without
// an error, those of other writers may be.
func writeAll(w io.Writer, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var m int
		m, err = w.Write(p[n:])
		if m <= 0 && err == nil {
			err = io.ErrShortWrite
		}
		n += m
	}
	return n, err
}
