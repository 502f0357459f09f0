// Package lines writes whole lines: to files, which can be cut back, and to
// things that cannot, such as a terminal, a pipe, a device.
//
//	lines ──▶ File ── one write(2), then fsync, per call ──▶ regular file
//	            │  └─ failed ──▶ cut back to the last call
//	            └── anything else ─┐
//	                               ▼
//	lines ──────────────────────▶ Writer ── one Write per call ──▶ io.Writer
//	                               │
//	                               └── rest of a line that was cut short, goes first next time
//
// What a File guarantees of a regular file:
//
//   - What Write returned nil for is on the disk, the file's name in its folder
//     included.
//   - A call that failed, because the disk is full for one, leaves nothing
//     behind: neither a torn line nor half of what will be written again.
//   - A line that a kill or a crash left unfinished is removed when the file is
//     opened again. Nothing is ever removed that does not begin as the caller's
//     lines do.
//   - One process appends to a file at a time (an advisory lock).
//   - After Reopen the next call goes to whatever the path names then, so a file
//     that was renamed (logrotate) is complete. A file that was deleted is
//     noticed without being told.
//
// A write to anything else that ends in the middle of a line cannot be taken
// back, and starting the line again would glue its beginning to a full copy of
// it. So the Writer remembers how the cut line goes on and begins the next write
// with that: what the reader sees are whole lines, some perhaps twice. It does
// not sync, and what a reader at the other end does is not its business.
//
// A Writer is used by one goroutine at a time, a File too, but for Reopen. A
// Writer obeys a context even where the io.Writer blocks for ever, at the price
// of one goroutine that stays behind for as long as that lasts.
//
// Nothing here rotates, compresses or bounds a file.
package lines
