package stream

import (
	"errors"
	"sync"
)

// spill puts together what is larger than what is read at a time: a long frame, or an
// item of a list. What is beyond readBuffer it reserves before it reads on.
type spill struct {
	b        []byte
	reserved int
	room     room // nil: there is no bound
	expected int  // what is reserved at once, for a frame that is read again after errShort
}

// room is where the memory for what is read comes from.
type room interface {
	// reserve makes sure that so many bytes may be used, and a copy of them made; it
	// waits for that if nothing is reserved yet, and else fails with errShort if there
	// is no more at the moment. An error ends the attempt.
	reserve(n int) error
	// came says how much of the frame there is now, of what was reserved.
	came(n int)
	// release gives back what is reserved.
	release()
}

// errShort says that there is no memory at the moment for all of a frame whose start
// has been read. Who has some must not wait for more: others may do so, too. So it
// gives up what it has, and when it comes to that frame again it reserves more at once.
var errShort = errors.New("there is no memory for a large object at the moment; it is read again when there is")

// stepOf returns the size that is reserved for n bytes: what is larger than readBuffer
// begins in a buffer of smallSpill, and that doubles up to maxFrame. So nobody holds much
// more than what has come.
func stepOf(n int) int {
	switch {
	case n <= readBuffer:
		return readBuffer
	case n > maxFrame:
		return n
	}
	step := smallSpill
	for step < n {
		step *= 2
	}
	return step
}

// The buffers of smallSpill are kept for reuse, because they are needed often, and
// those of the largest because the garbage would be large, too. In between they grow.
const (
	smallSpill = 128 << 10
	largeSpill = maxFrame
)

var (
	smallSpills = sync.Pool{New: func() any { return new([smallSpill]byte) }}
	largeSpills = sync.Pool{New: func() any { return new([largeSpill]byte) }}
)

// newSpill returns a buffer for n bytes, of at most so many, in place of one that is
// too small.
func newSpill(was, n, most int) []byte {
	switch {
	case n <= readBuffer:
		return make([]byte, 0, min(max(2*was, n), readBuffer))
	case n <= smallSpill:
		buffer, _ := smallSpills.Get().(*[smallSpill]byte)
		return buffer[:0]
	case n > largeSpill/8 && n <= largeSpill && most >= largeSpill:
		buffer, _ := largeSpills.Get().(*[largeSpill]byte)
		return buffer[:0]
	}
	return make([]byte, 0, min(max(2*was, n), most))
}

// keepSpill keeps a buffer for the next one that needs it.
func keepSpill(b []byte) {
	switch cap(b) {
	case smallSpill:
		smallSpills.Put((*[smallSpill]byte)(b[:smallSpill]))
	case largeSpill:
		largeSpills.Put((*[largeSpill]byte)(b[:largeSpill]))
	}
}

// add appends what was read.
func (s *spill) add(chunk []byte) error {
	n := len(s.b) + len(chunk)
	if n > cap(s.b) {
		if err := s.grow(n); err != nil {
			return err
		}
	}
	s.b = append(s.b, chunk...)
	if s.reserved > 0 && s.room != nil {
		s.room.came(len(s.b))
	}
	return nil
}

// grow makes room for n bytes, and for more if that is reserved.
func (s *spill) grow(n int) error {
	if n > readBuffer && n > s.reserved {
		step := max(stepOf(n), s.expected)
		if s.room != nil {
			if err := s.room.reserve(step); err != nil {
				if errors.Is(err, errShort) {
					s.expected = step
				}
				return err
			}
		}
		s.reserved = step
	}
	was := s.b
	s.b = append(newSpill(cap(was), n, s.reserved), was...)
	keepSpill(was)
	return nil
}

// drop is done with what was put together, which nobody may use any more.
func (s *spill) drop() {
	if stepOf(len(s.b)) >= s.expected {
		s.expected = 0 // that was the frame
	}
	s.b = s.b[:0]
	if cap(s.b) > readBuffer {
		keepSpill(s.b)
		s.b = nil
	}
	if s.reserved > 0 {
		s.reserved = 0
		if s.room != nil {
			s.room.release()
		}
	}
}

// end is drop at the end of all reading for now: nothing is kept.
func (s *spill) end() {
	s.drop()
	s.b = nil
}
