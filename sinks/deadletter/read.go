package deadletter

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
)

// Read returns the records in a file, in the order written. A line that is no
// record comes as an error beside its number, and the rest follows; a last line
// that is still being written is left out. When the file itself cannot be read,
// the error is the last thing that comes, without a number. The file may be in
// use.
func Read(path string) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for l, err := range readLines(path, isTaken(path)) {
			if err != nil {
				yield(Record{}, err)
				return
			}
			r, err := parseRecord(l.text)
			r.Line = l.number
			if err != nil {
				err = fmt.Errorf("%q, line %d is no dead letter: %w", path, l.number, err)
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// done is what a record begins with that is dealt with. Such a line is in no file
// but one that was taken: it is written over the first byte of a record there,
// since one byte is either written or not. What is no record is blanked instead: a
// line that somebody else has begun with this byte is none that is dealt with.
const done = 0x18 // CAN, of ASCII

// isDone tells whether a line of a file that was taken was a record, and is dealt with.
func isDone(text []byte) bool {
	if text[0] != done {
		return false
	}
	if bytes.HasPrefix(text[1:], []byte(recordStart[1:])) {
		return true
	}
	// It may have been written by hand, in another order, or behind blanks.
	before := bytes.TrimLeft(text[1:], " \t\r")
	if len(before) == 0 || before[0] != '{' {
		before = append([]byte{'{'}, text[1:]...)
	}
	_, err := laneIn(before)
	return err == nil
}

// line is one that is not blank; text ends with its line end and is
// valid until the next one is read.
type line struct {
	number int // from 1
	offset int64
	text   []byte
}

// readLines returns the lines of a file, but for those that are done, which is for a file
// that was taken: in another one such a line is no record. An error is the last thing that it
// returns. A last line without a line end is left out: nobody was told that it
// is there.
func readLines(path string, taken bool) iter.Seq2[line, error] {
	return func(yield func(line, error) bool) {
		f, err := os.Open(path)
		if err != nil {
			yield(line{}, err)
			return
		}
		defer func() { _ = f.Close() }() // only read
		r := bufio.NewReaderSize(f, 64<<10)
		for l := (line{}); ; {
			l.number++
			l.offset += int64(len(l.text))
			if l.text, err = readLine(r, l.text[:0]); err != nil {
				if !errors.Is(err, io.EOF) {
					yield(line{}, fmt.Errorf("read %q: %w", path, err))
				}
				return
			}
			if taken && isDone(l.text) || len(bytes.TrimSpace(l.text)) == 0 {
				continue
			}
			if !yield(l, nil) {
				return
			}
		}
	}
}

func readLine(r *bufio.Reader, dst []byte) ([]byte, error) {
	for {
		part, err := r.ReadSlice('\n')
		dst = append(dst, part...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return dst, err
		}
	}
}
