package wire

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
)

// No two have the same memory at once, whatever they need, and what is kept for
// reuse is bounded.
func TestBuffers(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	var p Buffers
	type used struct {
		b    []byte
		mark byte
	}
	var all []used
	reused, given := 0, map[*byte]bool{}
	for round := range 20_000 {
		size := random.IntN(3000)
		if round%100 == 0 {
			size = random.IntN(2 * bufferMost)
		}
		b := p.Get(size)
		if len(b) != 0 || cap(b) < size || cap(b) >= size+bufferStep {
			t.Fatalf("a buffer for %d bytes has %d of %d", size, len(b), cap(b))
		}
		if b = b[:size]; size > 0 {
			if given[&b[0]] {
				reused++
			}
			given[&b[0]] = true
		}
		u := used{b, byte(round)}
		for i := range b {
			b[i] = u.mark
		}
		all = append(all, u)
		for limit := round % 4000; len(all) > limit; {
			n := random.IntN(len(all))
			u := all[n]
			if bytes.Count(u.b, []byte{u.mark}) != len(u.b) {
				t.Fatal("a buffer in use was written to by another")
			}
			p.Put(u.b)
			all = slices.Delete(all, n, n+1)
		}
		kept := 0
		for _, free := range p.free {
			for _, b := range free {
				kept += cap(b)
			}
		}
		if kept != p.bytes || kept > poolBytes {
			t.Fatalf("%d bytes are kept, counted as %d; want at most %d", kept, p.bytes, poolBytes)
		}
	}
	if reused < 5000 {
		t.Errorf("%d buffers were used again", reused)
	}
	for range poolBytes / 1000 {
		p.Put(make([]byte, 4*bufferStep))
	}
	if p.bytes > poolBytes || p.bytes <= poolBytes-4*bufferStep {
		t.Errorf("%d bytes are kept after thousands came back at once, want about %d", p.bytes, poolBytes)
	}
}
