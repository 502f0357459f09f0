package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// poll is how often a file is looked at that has no more to read.
const poll = 200 * time.Millisecond

// follow calls each with every whole line of the file at path, from its
// beginning, until ctx ends; with once, until its end. It goes on with the file
// that takes its place when it is rotated. The line is valid during the call.
func follow(ctx context.Context, path string, once bool, each func(line []byte) error) error {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	var file *os.File
	var at int64 // behind the last whole line
	defer func() { _ = file.Close() }()
	for {
		if file == nil {
			var err error
			if file, err = os.Open(path); err != nil && (once || !errors.Is(err, fs.ErrNotExist)) {
				return fmt.Errorf("read events: %w", err)
			}
			at = 0
		}
		over := file != nil && replaced(file, path) // before the last read of it, so that nothing is left
		if file != nil {
			var err error
			if at, err = lines(file, at, each); err != nil {
				return err
			}
		}
		switch {
		case over:
			_ = file.Close() // it was only read
			file = nil
			continue
		case once:
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// lines reads the whole lines behind an offset and returns the offset behind the
// last one. A line without an end is read again later, from its beginning: it may
// be half written, or torn by a crash and about to be cut off. A file that has
// been emptied is read from its beginning.
func lines(file *os.File, at int64, each func([]byte) error) (int64, error) {
	info, err := file.Stat()
	if err != nil {
		return at, fmt.Errorf("read events: %w", err)
	}
	if info.Size() < at {
		at = 0
	}
	if _, err := file.Seek(at, io.SeekStart); err != nil {
		return at, fmt.Errorf("read events: %w", err)
	}
	reader := bufio.NewReaderSize(file, 1<<20)
	for {
		line, err := reader.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return at, nil
		}
		if err != nil {
			return at, fmt.Errorf("read events: %w", err)
		}
		if err := each(bytes.TrimSuffix(line, []byte("\n"))); err != nil {
			return at, fmt.Errorf("%s, at byte %d: %w", file.Name(), at, err)
		}
		at += int64(len(line))
	}
}

// replaced reports whether a path names another file than this one, with an event
// in it: Fairlead writes nothing to the one before any more. While the other is
// empty it may do so still, if something else than Fairlead has made it.
func replaced(file *os.File, path string) bool {
	now, err := os.Stat(path)
	if err != nil || now.Size() == 0 {
		return false
	}
	was, err := file.Stat()
	return err == nil && !os.SameFile(was, now)
}
