package wire

import (
	"errors"
	"sync"
)

// Spill puts together what is larger than what is read at a time: a long frame, or an
// item of a list. What is beyond ReadBuffer it reserves before it reads on.
type Spill struct {
	b        []byte
	reserved int
	Room     Room // nil: there is no bound
	Expected int  // what is reserved at once, for a frame that is read again after ErrShort
}

// Room is where the memory for what is read comes from.
type Room interface {
	// Reserve makes sure that so many bytes may be used, and a copy of them made; it
	// waits for that if nothing is reserved yet, and else fails with ErrShort if there
	// is no more at the moment. An error ends the attempt.
	Reserve(n int) error
	// Came says how much of the frame there is now, of what was reserved.
	Came(n int)
	// Release gives back what is reserved.
	Release()
}

// ErrShort says that there is no memory at the moment for all of a frame whose start
// has been read. Who has some must not wait for more: others may do so, too. So it
// gives up what it has, and when it comes to that frame again it reserves more at once.
var ErrShort = errors.New("there is no memory for a large object at the moment; it is read again when there is")

// stepOf returns the size that is reserved for n bytes: what is larger than ReadBuffer
// begins in a buffer of SmallSpill, and that doubles up to MaxFrame. So nobody holds much
// more than what has come.
func stepOf(n int) int {
	switch {
	case n <= ReadBuffer:
		return ReadBuffer
	case n > MaxFrame:
		return n
	}
	step := SmallSpill
	for step < n {
		step *= 2
	}
	return step
}

// The buffers of SmallSpill are kept for reuse, because they are needed often, and
// those of the largest because the garbage would be large, too. In between they grow.
const (
	SmallSpill = 128 << 10
	largeSpill = MaxFrame
)

var (
	smallSpills = sync.Pool{New: func() any { return new([SmallSpill]byte) }}
	largeSpills = sync.Pool{New: func() any { return new([largeSpill]byte) }}
)

// newSpill returns a buffer for n bytes, of at most so many, in place of one that is
// too small.
func newSpill(was, n, most int) []byte {
	switch {
	case n <= ReadBuffer:
		return make([]byte, 0, min(max(2*was, n), ReadBuffer))
	case n <= SmallSpill:
		buffer, _ := smallSpills.Get().(*[SmallSpill]byte)
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
	case SmallSpill:
		smallSpills.Put((*[SmallSpill]byte)(b[:SmallSpill]))
	case largeSpill:
		largeSpills.Put((*[largeSpill]byte)(b[:largeSpill]))
	}
}

// add appends what was read.
func (s *Spill) add(chunk []byte) error {
	n := len(s.b) + len(chunk)
	if n > cap(s.b) {
		if err := s.grow(n); err != nil {
			return err
		}
	}
	s.b = append(s.b, chunk...)
	if s.reserved > 0 && s.Room != nil {
		s.Room.Came(len(s.b))
	}
	return nil
}

// grow makes room for n bytes, and for more if that is reserved.
func (s *Spill) grow(n int) error {
	if n > ReadBuffer && n > s.reserved {
		step := max(stepOf(n), s.Expected)
		if s.Room != nil {
			if err := s.Room.Reserve(step); err != nil {
				if errors.Is(err, ErrShort) {
					s.Expected = step
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

// Drop is done with what was put together, which nobody may use any more.
func (s *Spill) Drop() {
	if stepOf(len(s.b)) >= s.Expected {
		s.Expected = 0 // that was the frame
	}
	s.b = s.b[:0]
	if cap(s.b) > ReadBuffer {
		keepSpill(s.b)
		s.b = nil
	}
	if s.reserved > 0 {
		s.reserved = 0
		if s.Room != nil {
			s.Room.Release()
		}
	}
}

// End is drop at the end of all reading for now: nothing is kept.
func (s *Spill) End() {
	s.Drop()
	s.b = nil
}
