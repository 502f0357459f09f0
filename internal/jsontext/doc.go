// Package jsontext reads and writes JSON that others have to understand the way
// Fairlead does.
//
//	strings ──▶ AppendString ──▶ text ──▶ Portable? ──▶ a line that goes out
//	a line that was written ──▶ Unmarshal ──▶ attributes, each said once
//
// JSON leaves open what decoders make of a name that stands twice in an object,
// of an escaped half of a surrogate pair, of numbers that no float64 holds, of
// very deep nesting; and of bytes that are not UTF-8, which RFC 8259 forbids,
// some make something nevertheless. RFC 7493 (I-JSON) names what all decoders
// agree about; this package checks the part of it that costs little.
//
// Its functions keep nothing and may be called from any goroutine.
package jsontext
