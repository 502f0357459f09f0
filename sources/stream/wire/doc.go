// Package wire reads what an API server sends: the frames of a watch, and the items of
// a list as they arrive. It scans and does not decode: every byte is checked to be
// JSON, but only identity and version are picked out, and the rest is copied once.
//
// This package is part of Fairlead's engine. Other modules can import it, but its API
// may change at any time.
//
//	body ─▶ FrameReader or ListReader ─▶ bytes of one frame or item ─▶ Scanner ─▶ Frame ─▶ CopyObject
//	             │
//	             └─ Spill: what is longer than ReadBuffer, once Room has memory for it
//
// A frame or item holds 16 MiB at most (MaxFrame). Of a longer one the start is
// returned, and the rest is skipped. What is returned is valid until the next call.
// Nothing here is safe for concurrent use but Buffers.
package wire
