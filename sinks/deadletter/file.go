package deadletter

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fairlead-dev/fairlead/internal/lines"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// Suffix is what the first file has behind its name whose records are being sent
// again; further ones have ".2", ".3" and so on behind that.
const Suffix = ".retrying"

// mostTaken bounds how many such files there are, and mostOfSink how many of these hold
// records of one sink: one that is down leaves names for the others.
const (
	mostTaken  = 64
	mostOfSink = 8
)

// takenPath returns the name of the nth such file, from 1.
func takenPath(path string, n int) string {
	if n == 1 {
		return path + Suffix
	}
	return path + Suffix + "." + strconv.Itoa(n)
}

// Files returns the files that hold the dead letters of a path: those whose records
// are being sent again, as far as there are any, and at the end the path itself,
// whether it is there or not.
func Files(path string) (all []string) {
	for n := 1; n <= mostTaken; n++ {
		if name := takenPath(path, n); isThere(name) {
			all = append(all, name)
		}
	}
	return append(all, path)
}

// isTaken reports whether a file has the name of one that was taken.
func isTaken(path string) bool {
	_, n, ok := strings.Cut(filepath.Base(path), Suffix)
	if ok && n != "" {
		_, err := strconv.ParseUint(strings.TrimPrefix(n, "."), 10, 8)
		ok = n[0] == '.' && err == nil
	}
	return ok
}

// isThere reports whether something has that name. What cannot be told may be there.
func isThere(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// File is the file that refused changes are written to.
type File struct {
	path string
	// turn is held by the one that writes. It is no mutex, since it is held
	// during I/O.
	turn  chan struct{}
	lines *lines.File
	// back is held, before turn, by the one that puts lines back, for all in the line.
	back chan struct{}

	mu      sync.Mutex
	taken   map[string]*Taken // by path; they have not ended
	putting []*putting        // the line of those that put lines back
}

// Open opens the file for appending. It creates the file, readable by its
// owner only, but not the folders above it, and removes an unfinished record
// from its end. The error says what is wrong with the path and what to do
// about it.
func Open(path string) (*File, error) {
	info, err := os.Stat(path)
	if err == nil && !info.IsDir() && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("open %q: it is no regular file, so that nothing could be read back from it: choose another path", path)
	}
	l, err := lines.OpenFile(path, recordStart)
	if err != nil {
		return nil, err
	}
	return &File{
		path: path, turn: make(chan struct{}, 1), lines: l, back: make(chan struct{}, 1),
		taken: map[string]*Taken{},
	}, nil
}

// Write appends one record and returns once it is on the disk: sink refused c
// for that reason, after so many attempts. When it fails the file is as it was
// before. It may be called by several sinks at once.
func (f *File) Write(sink string, c *pipeline.Change, reason error, attempts int) error {
	return f.write(func(dst []byte) []byte {
		return appendRecord(dst, time.Now(), sink, c, reason, attempts)
	})
}

func (f *File) write(encode func(dst []byte) []byte) error {
	f.turn <- struct{}{}
	defer func() { <-f.turn }()
	return f.lines.Write(context.Background(), encode)
}

// Reopen makes the next Write open the path anew, for when the file has been
// renamed.
func (f *File) Reopen() { f.lines.Reopen() }

// Close closes the file, after the last Write.
func (f *File) Close() error { return f.lines.Close() }

// syncFolder makes the names in the file's folder durable, where that is
// possible.
func (f *File) syncFolder() error {
	d, err := os.Open(filepath.Dir(f.path))
	if errors.Is(err, fs.ErrPermission) {
		return nil
	}
	if err != nil {
		return err
	}
	_ = d.Sync() // not every file system can
	return d.Close()
}
