package file

import (
	"context"

	"github.com/fairlead-dev/fairlead/internal/lines"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// eventStart is how every event begins.
const eventStart = `{"specversion":"1.0","type":"dev.fairlead.resource.`

// Sink is a [pipeline.Sink] that appends to a file.
type Sink struct{ lines *lines.File }

// Open opens the file for appending. It creates the file, readable by its
// owner only, but not the folders above it, and removes an unfinished event
// from its end. The error says what is wrong with the path and what to do
// about it.
func Open(path string) (*Sink, error) {
	f, err := lines.OpenFile(path, eventStart)
	if err != nil {
		return nil, err
	}
	return &Sink{f}, nil
}

// Reopen makes the next Write open the path anew before it writes, for when
// the file has been renamed. Should that fail, Write fails and leaves the old
// file alone until it succeeds. What was accepted before is complete in the
// old file.
func (s *Sink) Reopen() { s.lines.Reopen() }

// Close closes the file. No Write may be under way or follow.
func (s *Sink) Close() error { return s.lines.Close() }

// Write appends one line for each change of the batch and returns once they
// are on the disk. When it fails the file is as it was before.
func (s *Sink) Write(ctx context.Context, batch []*pipeline.Change) error {
	return s.lines.Write(ctx, func(dst []byte) []byte {
		for _, c := range batch {
			dst = append(c.AppendCloudEvent(dst), '\n')
		}
		return dst
	})
}
