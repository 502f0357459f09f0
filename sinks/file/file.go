package file

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"github.com/fairlead-dev/fairlead/internal/lines"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// keep is the most memory, in bytes, that a Sink holds on to between writes.
const keep = 32 << 20

// Sink is a [pipeline.Sink] that appends to a file.
type Sink struct {
	path   string
	reopen atomic.Bool

	// Of Write alone:
	f      handle
	stream *lines.Writer // set if f is not a regular file
	torn   bool          // what is in f behind good is half a batch
	good   int64         // size of f before the last batch, in bytes
	buf    []byte
}

// handle is what a Sink needs of an [os.File].
type handle interface {
	io.WriteCloser
	Stat() (os.FileInfo, error)
	Sync() error
	Truncate(size int64) error
}

// Open opens the file for appending. It creates the file, readable by its
// owner only, but not the folders above it, and removes an unfinished event
// from its end. The error says what is wrong with the path and what to do
// about it.
func Open(path string) (*Sink, error) {
	s := &Sink{path: path}
	if err := s.open(); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Sink) open() error {
	f, regular, err := open(s.path)
	if err != nil {
		return err
	}
	s.f, s.stream, s.torn = f, nil, false
	if !regular {
		s.stream = lines.NewWriter(f)
	}
	return nil
}

// Reopen makes the next Write open the path anew before it writes, for when
// the file has been renamed. Should that fail, Write fails and leaves the old
// file alone until it succeeds. What was accepted before is complete in the
// old file.
func (s *Sink) Reopen() { s.reopen.Store(true) }

// Close closes the file. No Write may be under way or follow.
func (s *Sink) Close() error {
	if err := s.f.Close(); err != nil {
		return fmt.Errorf("close file sink %q: %w", s.path, err)
	}
	return nil
}

// Write appends one line for each change of the batch and returns once they
// are on the disk. When it fails the file is as it was before.
func (s *Sink) Write(ctx context.Context, batch []*pipeline.Change) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := s.turn(); err != nil {
		return err
	}
	encode := func(dst []byte) []byte {
		for _, c := range batch {
			dst = append(c.AppendCloudEvent(dst), '\n')
		}
		return dst
	}
	if s.stream != nil {
		if err := s.stream.Write(ctx, encode); err != nil {
			return fmt.Errorf("write to %q: %w", s.path, err)
		}
		return nil
	}
	if err := s.mend(); err != nil {
		return err
	}
	if cap(s.buf) > keep {
		s.buf = nil
	}
	s.buf = encode(s.buf[:0])
	if len(s.buf) == 0 {
		return nil
	}
	if err := s.append(s.buf); err != nil {
		s.torn = true
		if cut := s.mend(); cut != nil {
			// The next write tries again, before anything else.
			return fmt.Errorf("append to %q: %w (then: %w)", s.path, err, cut)
		}
		return fmt.Errorf("append to %q: %w", s.path, err)
	}
	return nil
}

// append writes p behind what is in the file and syncs.
func (s *Sink) append(p []byte) error {
	n, err := s.f.Write(p)
	if err != nil {
		return err
	}
	if n < len(p) {
		return io.ErrShortWrite
	}
	// After a failed sync the kernel may have dropped the pages and call the
	// next one a success. That is why a batch is then written anew, not merely
	// synced again.
	return s.f.Sync()
}

// mend notes the size of the file, or cuts it back to what was noted before a
// batch that failed.
func (s *Sink) mend() error {
	info, err := s.f.Stat()
	if err != nil {
		return fmt.Errorf("append to %q: %w", s.path, err)
	}
	// Somebody may have truncated the file meanwhile (logrotate's
	// copytruncate): cutting must never make it longer.
	if s.torn && info.Size() > s.good {
		if err := s.f.Truncate(s.good); err != nil {
			return fmt.Errorf("cut %q back to %d bytes, behind which is half a batch: %w", s.path, s.good, err)
		}
	} else {
		s.good = info.Size()
	}
	s.torn = false
	return nil
}

// turn changes over to the file that the path names now, if it was asked to or
// the file at hand has been deleted.
func (s *Sink) turn() error {
	asked := s.reopen.Swap(false)
	old, err := s.f.Stat()
	if err != nil {
		return fmt.Errorf("append to %q: %w", s.path, err)
	}
	if !asked && !deleted(old) {
		return nil
	}
	now, err := os.Stat(s.path)
	if err == nil && os.SameFile(old, now) {
		return nil // renamed by nobody; opening it again would meet our own lock
	}
	if s.torn {
		// Best effort: the old file is somebody else's now, and whatever
		// keeps it from being cut must not keep us from the new one.
		_ = s.mend()
	}
	previous := s.f
	if err := s.open(); err != nil {
		s.reopen.Store(true)
		return err
	}
	if err := previous.Close(); err != nil {
		return fmt.Errorf("close the previous %q: %w", s.path, err)
	}
	return nil
}
