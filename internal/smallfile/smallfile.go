package smallfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// Read returns what a regular file of at most so many bytes holds.
func Read(path string, most int) ([]byte, error) {
	// With this flag, the opening of a pipe returns at once.
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("read: %w", err) // which names the path
	}
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(fmt.Errorf("read %s: it is no regular file", path), err, file.Close())
	}
	text, err := io.ReadAll(io.LimitReader(file, int64(most)+1))
	if err := errors.Join(err, file.Close()); err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	if len(text) > most {
		return nil, fmt.Errorf("read %s: it has more than %d bytes, so it is another file than is meant", path, most)
	}
	return text, nil
}
