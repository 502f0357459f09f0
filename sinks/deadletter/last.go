package deadletter

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// mostSearched is how many bytes of a file Last reads, from its end.
const mostSearched = 16 << 20

// Last returns the newest record of an object that a sink has refused, among the last 16 MiB
// of the file and, if there is none, of those that are being sent again; not ok: there is
// none. It may be called by any goroutine, also while the file is written.
func (f *File) Last(sink string, key pipeline.Key) (last Record, ok bool, err error) {
	for _, path := range []string{f.path, f.path + Suffix} {
		last, ok, err = lastIn(path, sink, key)
		if ok || err != nil {
			return last, ok, err
		}
	}
	return last, false, nil
}

func lastIn(path, sink string, key pipeline.Key) (last Record, ok bool, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return last, false, nil
	}
	if err != nil {
		return last, false, err
	}
	defer func() { _ = f.Close() }() // only read
	info, err := f.Stat()
	if err != nil {
		return last, false, err
	}
	from := max(info.Size()-mostSearched, 0)
	r := bufio.NewReaderSize(io.NewSectionReader(f, from, mostSearched), 64<<10)
	name := []byte(key.Name) // of Kubernetes: as it is in JSON
	for number := 1; ; number++ {
		text, err := readLine(r, nil)
		if errors.Is(err, io.EOF) {
			return last, ok, nil
		}
		if err != nil {
			return last, false, fmt.Errorf("read %q: %w", path, err)
		}
		if number == 1 && from > 0 || !bytes.Contains(text, name) {
			continue // the rest of a line, or of another object
		}
		if record, err := parseRecord(text); err == nil && record.Sink == sink && record.Event.Key() == key {
			last, ok = record, true
		}
	}
}
