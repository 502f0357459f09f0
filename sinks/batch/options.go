package batch

import (
	"cmp"
	"time"

	"github.com/go-logr/logr"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// Options tunes a Batcher. The zero value is usable.
type Options struct {
	// MinBatch is the smallest batch that is of use, MaxBatch the most changes in
	// one write. Zero means 1 and 1000. Between them the writes say how many are
	// gathered: see window.go. A destination that fails with MinBatch changes gets fewer.
	MinBatch, MaxBatch int
	// Concurrency is how many writes may be under way at once, never two with the
	// same key. Zero means 1. With more, Write is called by so many goroutines.
	Concurrency int
	// MaxBytes is the most bytes in one write, as [pipeline.Change.Size] counts
	// them; one change always fits. Zero means 8 MiB.
	MaxBytes int
	// Linger is for how long after the begin of a write a smaller batch than the window
	// wants waits for more. It is for a destination that charges for each request: so
	// long as batches are small there is one request in that time, and one more for each
	// batch that is as large as wanted. Zero means none: what arrives while no write is
	// under way is written at once. What follows a failed write waits for its delay only, and
	// while a stream waits for memory nothing waits.
	Linger time.Duration
	// CheckFirst says that Batcher.Check is called as well: nothing is written before its
	// first answer, good or bad, or before Run has waited 5 s for it.
	CheckFirst bool
	// ReconnectMin bounds the first delay after a failed write; each later one
	// may be twice as long. Zero means 250ms.
	ReconnectMin time.Duration
	// ReconnectMax bounds every delay that the sink itself did not ask for.
	// Zero means 30s.
	ReconnectMax time.Duration
	// DeadLetter takes a change that the sink has refused for good, with the
	// reason and the number of writes it was part of, of one delivery each but the
	// last. When it returns nil the change counts as accepted; otherwise it is
	// refused, to be delivered again. It is called from Run, one change at a time,
	// and holds up the sink meanwhile. Nil: it is refused like any other. So is what comes
	// after 16 such changes of which the sink accepts none in between: it refuses whatever it
	// gets, and no change is to blame for that.
	DeadLetter func(c *pipeline.Change, reason error, attempts int) error
	// Log hears when the sink starts to fail and when it has recovered; and, at most once in
	// a minute, which writes are too large for it. The zero value drops all of it.
	Log logr.Logger
	// Metrics counts. Nil: nothing is counted.
	Metrics *Metrics
}

func (o Options) withDefaults() Options {
	o.MaxBatch = cmp.Or(max(o.MaxBatch, 0), 1000)
	o.MinBatch = min(max(o.MinBatch, 1), o.MaxBatch)
	o.Concurrency = max(o.Concurrency, 1)
	o.MaxBytes = cmp.Or(max(o.MaxBytes, 0), 8<<20)
	o.Linger = max(o.Linger, 0)
	o.ReconnectMin = cmp.Or(max(o.ReconnectMin, 0), 250*time.Millisecond)
	o.ReconnectMax = cmp.Or(max(o.ReconnectMax, 0), 30*time.Second)
	return o
}
