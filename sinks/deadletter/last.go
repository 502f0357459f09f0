package deadletter

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/fairlead-dev/fairlead/internal/jsontext"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// mostSearched is how many bytes of a file Last reads, from its end.
const mostSearched = 16 << 20

// Last returns the newest record of an object that each of some sinks has refused, by sink: among
// the last 16 MiB of the file and, of sinks that have none there, of those that are being sent
// again, which it reads only then. It may be called by any goroutine, also while the file is
// written. When it fails, or ctx ends, it returns what it has found so far beside the error.
func (f *File) Last(ctx context.Context, key pipeline.Key, sinks ...string) (map[string]Record, error) {
	last := map[string]Record{}
	files := Files(f.path)
	slices.Reverse(files) // the file itself is the newest
	if len(files) > 1 {
		// What is put back into it while the others are read is in neither, when they are.
		files = append(files, f.path)
	}
	for _, path := range files {
		in, err := lastIn(ctx, path, key)
		for sink, record := range in {
			if _, newer := last[sink]; !newer && slices.Contains(sinks, sink) {
				last[sink] = record
			}
		}
		if err != nil || len(last) == len(sinks) {
			return last, err
		}
	}
	return last, nil
}

// lastIn returns the newest records in the end of a file. Those found before an error may not be
// the newest, and are not returned.
func lastIn(ctx context.Context, path string, key pipeline.Key) (map[string]Record, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	from := max(info.Size()-mostSearched, 0)
	r := bufio.NewReaderSize(io.NewSectionReader(f, from, mostSearched), 64<<10)
	// As it is in events: only lines that have it are parsed.
	named := jsontext.AppendString([]byte(`"name":`), key.Name)
	if key.Namespace != "" {
		named = append(jsontext.AppendString([]byte(`"namespace":`), key.Namespace), ","+string(named)...)
	}
	last := map[string]Record{}
	var text []byte
	for number := 1; ; number++ {
		text, err = readLine(r, text[:0])
		if errors.Is(err, io.EOF) {
			return last, nil
		}
		if err == nil && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return nil, fmt.Errorf("read %q: %w", path, err)
		}
		if number == 1 && from > 0 || !bytes.Contains(text, named) {
			continue // the rest of a line, or of another object
		}
		if record, err := parseRecord(text); err == nil && record.Event.Key() == key {
			last[record.Sink] = record
		}
	}
}
