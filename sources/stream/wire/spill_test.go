package wire

import (
	"errors"
	"testing"
)

// meter is a room that has so many bytes.
type meter struct{ has, reserved int }

func (m *meter) Reserve(n int) error {
	if n > m.has {
		return ErrShort
	}
	m.reserved = n
	return nil
}

func (m *meter) Came(int) {}

func (m *meter) Release() { m.reserved = 0 }

// Of a frame there is as much reserved as it needs, whatever came before it. Only one
// that is read again, because there was too little, has all at once; and once it has been
// read, those behind it have not.
func TestSpillReserves(t *testing.T) {
	m := &meter{has: MaxFrame}
	s := &Spill{Room: m}
	frame := func(size int) (first int, err error) {
		defer s.Drop()
		for n := 0; n < size; n += ReadBuffer {
			if err := s.add(make([]byte, ReadBuffer)); err != nil {
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
	check("the first", large, SmallSpill, nil)
	check("behind one of 3 MiB", 2*ReadBuffer, SmallSpill, nil)
	m.has = large / 2
	check("one that there is too little for", large, SmallSpill, ErrShort)
	m.has = MaxFrame
	expected := s.Expected
	if expected <= large/2 {
		t.Errorf("%d bytes are expected, which is what there was", expected)
	}
	check("a small one before it", 2*ReadBuffer, expected, nil)
	check("it again", large, expected, nil)
	check("behind it", 2*ReadBuffer, SmallSpill, nil)
}
