package postgres

import (
	"encoding/binary"
	"time"
)

// array is an array of one dimension in PostgreSQL's binary format (array_send in
// src/backend/utils/adt/arrayfuncs.c), which needs no escaping: a header, and of each
// element its length and its bytes.
type array struct {
	buf   []byte
	count uint32
	nulls bool
}

const arrayHeader = 20

// begin empties the array.
func (a *array) begin() {
	const kept = 16 << 20 // bytes: more than a batch has that is not one huge object
	if cap(a.buf) > kept {
		a.buf = nil
	}
	a.buf = append(a.buf[:0], make([]byte, arrayHeader)...)
	a.count, a.nulls = 0, false
}

// end writes the header and returns the array, until begin is called again.
func (a *array) end(element uint32) []byte {
	h := a.buf[:0]
	h = binary.BigEndian.AppendUint32(h, 1) // dimensions
	null := uint32(0)
	if a.nulls {
		null = 1
	}
	h = binary.BigEndian.AppendUint32(h, null)
	h = binary.BigEndian.AppendUint32(h, element)
	h = binary.BigEndian.AppendUint32(h, a.count)
	binary.BigEndian.AppendUint32(h, 1) // the first index
	return a.buf
}

func (a *array) length(n int) {
	a.count++
	a.buf = binary.BigEndian.AppendUint32(a.buf, uint32(n))
}

func (a *array) null() {
	a.nulls = true
	a.count++
	a.buf = binary.BigEndian.AppendUint32(a.buf, 1<<32-1) // the length -1
}

func (a *array) text(s string) {
	a.length(len(s))
	a.buf = append(a.buf, s...)
}

// bytes appends a value after a prefix; nil is NULL.
func (a *array) bytes(prefix string, value []byte) {
	if value == nil {
		a.null()
		return
	}
	a.length(len(prefix) + len(value))
	a.buf = append(append(a.buf, prefix...), value...)
}

func (a *array) int8(n int64) {
	a.length(8)
	a.buf = binary.BigEndian.AppendUint64(a.buf, uint64(n))
}

func (a *array) bool(is bool) {
	a.length(1)
	b := byte(0)
	if is {
		b = 1
	}
	a.buf = append(a.buf, b)
}

// time appends a timestamp, which has microseconds; the zero time is NULL.
func (a *array) time(t time.Time) {
	if t.IsZero() {
		a.null()
		return
	}
	a.int8(t.UnixMicro() - epoch.UnixMicro())
}

// elements are the types of the elements of arrays.
var elements = map[uint32]uint32{
	jsonArray: 114, boolArray: 16, textArray: 25, int8Array: 20, timeArray: 1184, jsonbArray: 3802,
}
