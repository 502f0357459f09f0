package trace

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// traceID returns the id of the trace of a change: a hash of its cluster and the id of its
// event. It is that of all sinks, and of all processes that deliver it.
func traceID(c *pipeline.Change) (id [16]byte) {
	text := make([]byte, 0, 512)
	text = append(append(text, c.Key.Cluster...), 0)
	text = append(text, c.ID()...)
	if c.UID == "" { // the id leaves the name out
		text = append(append(text, 0), c.Key.String()...)
	}
	sum := sha256.Sum256(text)
	copy(id[:], sum[:])
	return id
}

// isChosen reports whether a trace is of the ratio that is to be traced. As
// TraceIDRatioBased of OpenTelemetry it looks at the last eight bytes.
func (t *Tracer) isChosen(id [16]byte) bool {
	return t.all || binary.BigEndian.Uint64(id[8:])>>1 < t.least
}

// spanID returns the id of the span of a change's way to a sink.
func spanID(trace [16]byte, route string) (id [8]byte) {
	sum := sha256.Sum256(append(trace[:], route...))
	copy(id[:], sum[:])
	return id
}

// random returns n random bytes. They need not be hard to guess.
func random(n int) []byte {
	id := make([]byte, 0, n)
	for len(id) < n {
		id = binary.BigEndian.AppendUint64(id, rand.Uint64()|1) //nolint:gosec // See above.
	}
	return id[:n]
}
