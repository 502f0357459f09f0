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

	"github.com/fairlead-dev/fairlead/internal/jsontext"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// mostSearched is how many bytes of a file Last reads, from its end.
const mostSearched = 16 << 20

// Last returns the newest record of an object that each sink has refused, by sink: among the
// last 16 MiB of the file and, of sinks that have none there, of those that are being sent
// again. It may be called by any goroutine, also while the file is written, and ends with ctx.
func (f *File) Last(ctx context.Context, key pipeline.Key) (map[string]Record, error) {
	last := map[string]Record{}
	for _, path := range Files(f.path) {
		if err := lastIn(ctx, path, key, last); err != nil {
			return nil, err
		}
	}
	return last, nil
}

// lastIn puts what a file has over what is in last.
func lastIn(ctx context.Context, path string, key pipeline.Key, last map[string]Record) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // only read
	info, err := f.Stat()
	if err != nil {
		return err
	}
	from := max(info.Size()-mostSearched, 0)
	r := bufio.NewReaderSize(io.NewSectionReader(f, from, mostSearched), 64<<10)
	// As it is in events: only lines that have it are parsed.
	named := jsontext.AppendString([]byte(`"name":`), key.Name)
	if key.Namespace != "" {
		named = append(jsontext.AppendString([]byte(`"namespace":`), key.Namespace), ","+string(named)...)
	}
	var text []byte
	for number := 1; ; number++ {
		text, err = readLine(r, text[:0])
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return fmt.Errorf("read %q: %w", path, err)
		}
		if number == 1 && from > 0 || !bytes.Contains(text, named) {
			continue // the rest of a line, or of another object
		}
		if record, err := parseRecord(text); err == nil && record.Event.Key() == key {
			last[record.Sink] = record
		}
	}
}
