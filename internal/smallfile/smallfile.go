package smallfile

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// Read returns what a regular file of at most so many bytes holds.
func Read(path string, most int) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read: %w", err) // which names the path
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("read %s: it is no regular file", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
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
