package wire

import "sync"

// Objects are copied out of the bytes that were read into buffers that come from
// a pool and go back to it with the ack, when no sink has the change any more.
// Sizes are rounded up to a step, so that one fits many.
const (
	bufferStep = 256
	bufferMost = 16 << 10 // larger objects get memory of their own
	poolBytes  = 4 << 20  // most that all that is kept for reuse takes
)

// Buffers keeps the memory of acked objects for the next ones, up to 4 MiB of it.
// The zero value is ready to be used, by any number of streams at once; a nil
// *Buffers keeps nothing.
type Buffers struct {
	mu    sync.Mutex
	free  [bufferMost/bufferStep + 1][][]byte // by capacity in steps
	bytes int                                 // that free takes
}

// BufferSize is how much memory a buffer for size bytes takes.
func BufferSize(size int) int {
	if steps := (size + bufferStep - 1) / bufferStep; steps <= bufferMost/bufferStep {
		return steps * bufferStep
	}
	return size
}

// Get returns an empty buffer that holds size bytes.
func (p *Buffers) Get(size int) []byte {
	steps := (size + bufferStep - 1) / bufferStep
	if p == nil || steps >= len(p.free) {
		return make([]byte, 0, size)
	}
	p.mu.Lock()
	free := &p.free[steps]
	if n := len(*free); n > 0 {
		b := (*free)[n-1]
		(*free)[n-1] = nil
		*free = (*free)[:n-1]
		p.bytes -= cap(b)
		p.mu.Unlock()
		return b
	}
	p.mu.Unlock()
	return make([]byte, 0, steps*bufferStep)
}

// Put takes back a buffer, which nobody may use any more.
func (p *Buffers) Put(b []byte) {
	steps := cap(b) / bufferStep
	if p == nil || steps == 0 || steps >= len(p.free) || cap(b)%bufferStep != 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bytes+cap(b) <= poolBytes {
		p.bytes += cap(b)
		p.free[steps] = append(p.free[steps], b[:0])
	}
}
