package stdout

import (
	"context"
	"fmt"
	"io"

	"github.com/fairlead-dev/fairlead/internal/lines"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// Sink is a [pipeline.Sink] that writes lines of JSON.
type Sink struct{ lines *lines.Writer }

// New returns a sink that writes to w, [os.Stdout] as a rule.
func New(w io.Writer) *Sink { return &Sink{lines.NewWriter(w)} }

// Write writes one line for each change of the batch.
func (s *Sink) Write(ctx context.Context, batch []*pipeline.Change) error {
	err := s.lines.Write(ctx, func(dst []byte) []byte {
		for _, c := range batch {
			dst = append(c.AppendCloudEvent(dst), '\n')
		}
		return dst
	})
	if err != nil {
		return fmt.Errorf("write to stdout: %w", err)
	}
	return nil
}
