package lines

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync/atomic"
)

// File appends lines of JSON to a file: all of a call's lines, or none.
type File struct {
	path   string
	prefix string
	reopen atomic.Bool

	// Of Write alone:
	f      handle
	stream *Writer // set if f is not a regular file
	torn   bool    // what is in f behind good is half a call's lines
	good   int64   // size of f before the last call, in bytes
	buf    []byte
}

// handle is what a File needs of an [os.File].
type handle interface {
	io.WriteCloser
	Stat() (os.FileInfo, error)
	Sync() error
	Truncate(size int64) error
}

// OpenFile opens the file for appending. It creates the file, readable by its
// owner only, but not the folders above it. All lines of the caller's begin
// with prefix: an unfinished last line that does was cut short by a crash, and
// is removed. The error says what is wrong with the path and what to do about
// it.
func OpenFile(path, prefix string) (*File, error) {
	l := &File{path: path, prefix: prefix}
	if err := l.open(); err != nil {
		return nil, err
	}
	return l, nil
}

func (l *File) open() error {
	f, regular, err := open(l.path, l.prefix)
	if err != nil {
		return err
	}
	l.f, l.stream, l.torn = f, nil, false
	if !regular {
		l.stream = NewWriter(f)
	}
	return nil
}

// Reopen makes the next Write open the path anew before it writes, for when
// the file has been renamed. Should that fail, Write fails and leaves the old
// file alone until it succeeds. What was written before is complete in the
// old file. It may be called at any time.
func (l *File) Reopen() { l.reopen.Store(true) }

// Close closes the file. No Write may be under way or follow.
func (l *File) Close() error {
	if err := l.f.Close(); err != nil {
		return fmt.Errorf("close %q: %w", l.path, err)
	}
	return nil
}

// Write appends the lines that encode appends to the slice it is given; each
// must end in '\n'. It returns nil once they are on the disk. When it fails
// the file is as it was before.
func (l *File) Write(ctx context.Context, encode func(dst []byte) []byte) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := l.turn(); err != nil {
		return err
	}
	if l.stream != nil {
		if err := l.stream.Write(ctx, encode); err != nil {
			return fmt.Errorf("write to %q: %w", l.path, err)
		}
		return nil
	}
	if err := l.mend(); err != nil {
		return err
	}
	if cap(l.buf) > keep {
		l.buf = nil
	}
	l.buf = encode(l.buf[:0])
	if len(l.buf) == 0 {
		return nil
	}
	if err := l.append(l.buf); err != nil {
		l.torn = true
		if cut := l.mend(); cut != nil {
			// The next write tries again, before anything else.
			return fmt.Errorf("append to %q: %w (then: %w)", l.path, err, cut)
		}
		return fmt.Errorf("append to %q: %w", l.path, err)
	}
	return nil
}

// append writes p behind what is in the file and syncs.
func (l *File) append(p []byte) error {
	n, err := l.f.Write(p)
	if err != nil {
		return err
	}
	if n < len(p) {
		return io.ErrShortWrite
	}
	// After a failed sync the kernel may have dropped the pages and call the
	// next one a success. That is why the lines are then written anew, not
	// merely synced again.
	return l.f.Sync()
}

// mend notes the size of the file, or cuts it back to what was noted before a
// write that failed.
func (l *File) mend() error {
	info, err := l.f.Stat()
	if err != nil {
		return fmt.Errorf("append to %q: %w", l.path, err)
	}
	// Somebody may have truncated the file meanwhile (logrotate's
	// copytruncate): cutting must never make it longer.
	if l.torn && info.Size() > l.good {
		if err := l.f.Truncate(l.good); err != nil {
			return fmt.Errorf("cut %q back to %d bytes, behind which is half a batch: %w", l.path, l.good, err)
		}
	} else {
		l.good = info.Size()
	}
	l.torn = false
	return nil
}

// turn changes over to the file that the path names now, if it was asked to or
// the file at hand has been deleted.
func (l *File) turn() error {
	asked := l.reopen.Swap(false)
	old, err := l.f.Stat()
	if err != nil {
		return fmt.Errorf("append to %q: %w", l.path, err)
	}
	if !asked && !deleted(old) {
		return nil
	}
	now, err := os.Stat(l.path)
	if err == nil && os.SameFile(old, now) {
		return nil // renamed by nobody; opening it again would meet our own lock
	}
	if l.torn {
		// Best effort: the old file is somebody else's now, and whatever
		// keeps it from being cut must not keep us from the new one.
		_ = l.mend()
	}
	previous := l.f
	if err := l.open(); err != nil {
		l.reopen.Store(true)
		return err
	}
	if err := previous.Close(); err != nil {
		return fmt.Errorf("close the previous %q: %w", l.path, err)
	}
	return nil
}
