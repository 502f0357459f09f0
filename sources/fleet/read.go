package fleet

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// maxFileBytes bounds what is read of one file. A kubeconfig with a thousand
// contexts and their certificates has about 5 MiB.
const maxFileBytes = 16 << 20

var errTooLarge = fmt.Errorf("is larger than %d MiB", maxFileBytes>>20)

// readFile returns the content of a regular file, or of one that path links to.
// Anything else is refused before it is opened: a pipe would block the poll for
// ever. Its errors do not repeat the path.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, bare(err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("is not a file but a %s", kindOf(info.Mode()))
	}
	if info.Size() > maxFileBytes {
		return nil, errTooLarge
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, bare(err)
	}
	var data bytes.Buffer
	data.Grow(int(info.Size()) + bytes.MinRead)
	_, err = data.ReadFrom(io.LimitReader(f, maxFileBytes+1))
	if err := cmp.Or(err, f.Close()); err != nil {
		return nil, bare(err)
	}
	if data.Len() > maxFileBytes {
		return nil, errTooLarge
	}
	return data.Bytes(), nil
}

func kindOf(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "directory"
	case mode&fs.ModeNamedPipe != 0:
		return "pipe"
	case mode&fs.ModeSocket != 0:
		return "socket"
	}
	return "device"
}

// bare strips operation and path off a file system error; every caller has
// said which file is meant.
func bare(err error) error {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		return pathErr.Err
	}
	return err
}

// digest identifies what a poll has read.
type digest [sha256.Size]byte

// hasher builds a digest of several parts that cannot run into each other.
type hasher struct{ state []byte }

// add appends one part: what was read of a file, or why it could not be read.
func (h *hasher) add(path string, data []byte, err error) {
	reason := ""
	if err != nil {
		reason = err.Error()
	}
	sum := sha256.Sum256(data)
	for _, part := range [][]byte{[]byte(path), []byte(reason), sum[:]} {
		h.state = binary.AppendUvarint(h.state, uint64(len(part)))
		h.state = append(h.state, part...)
	}
}

func (h *hasher) sum() digest { return sha256.Sum256(h.state) }
