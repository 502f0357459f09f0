// Package lines writes whole lines to things that cannot be rolled back: a
// terminal, a pipe, a device.
//
//	lines ──▶ Writer ── one Write per call ──▶ io.Writer
//	            │
//	            └── rest of a line that was cut short, goes first next time
//
// A write that ends in the middle of a line cannot be taken back, and starting
// the line again would glue its beginning to a full copy of it. So the Writer
// remembers how the cut line goes on and begins the next write with that: what
// the reader sees are whole lines, some perhaps twice.
//
// A Writer is used by one goroutine at a time. It obeys a context even where
// the io.Writer blocks for ever, at the price of one goroutine that stays
// behind for as long as that lasts.
//
// It does not sync, and what a reader at the other end does is not its
// business.
package lines
