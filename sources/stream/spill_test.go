package stream

import (
	"errors"
	"testing"
)

// meter is a room that has so many bytes.
type meter struct{ has, reserved int }

func (m *meter) reserve(n int) error {
	if n > m.has {
		return errShort
	}
	m.reserved = n
	return nil
}

func (m *meter) came(int) {}

func (m *meter) release() { m.reserved = 0 }

// Of a frame there is as much reserved as it needs, whatever came before it. Only one
// that is read again, because there was too little, has all at once; and once it has been
// read, those behind it have not.
func TestSpillReserves(t *testing.T) {
	m := &meter{has: maxFrame}
	s := &spill{room: m}
	frame := func(size int) (first int, err error) {
		defer s.drop()
		for n := 0; n < size; n += readBuffer {
			if err := s.add(make([]byte, readBuffer)); err != nil {
				return first, err
			}
			if first == 0 {
				first = m.reserved
			}
		}
		return first, nil
	}
	check := func(what string, size, want int, wantErr error) {
		t.Helper()
		if first, err := frame(size); first != want || !errors.Is(err, wantErr) {
			t.Errorf("%s: %d bytes are reserved first, %v; want %d, %v", what, first, err, want, wantErr)
		}
		if m.reserved != 0 {
			t.Errorf("%s: %d bytes stay reserved", what, m.reserved)
		}
	}
	const large = 3 << 20
	check("the first", large, smallSpill, nil)
	check("behind one of 3 MiB", 2*readBuffer, smallSpill, nil)
	m.has = large / 2
	check("one that there is too little for", large, smallSpill, errShort)
	m.has = maxFrame
	expected := s.expected
	if expected <= large/2 {
		t.Errorf("%d bytes are expected, which is what there was", expected)
	}
	check("a small one before it", 2*readBuffer, expected, nil)
	check("it again", large, expected, nil)
	check("behind it", 2*readBuffer, smallSpill, nil)
}
