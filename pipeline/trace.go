package pipeline

import (
	"encoding/hex"
	"time"
)

// Trace is the place of a change in a trace of OpenTelemetry, of a change that is traced.
// Events tell it as traceparent, the extension of CloudEvents for distributed tracing, so
// that who receives one can go on with the trace. It is shared and not to be changed.
type Trace struct {
	TraceID [16]byte // of all that becomes of this state of the object, to all sinks
	SpanID  [8]byte  // of its way to one sink
	// Call is the write that the change was part of last. A destination that writes several
	// changes together sets it on a copy of the trace before it tells of the change. Nil: it
	// does not tell.
	Call *Call
	// Stored is called by the change's Tracker once the record of the change's ack is stored:
	// not twice, from any goroutine, and never if that does not come to pass. It does not
	// block. Who is told of the delivery sets it on a copy of the trace. Nil: nobody asks.
	Stored func()
}

// Call is one write of a destination to its sink, with changes of which at least one is
// traced. It is shared and not to be changed once a change is told of.
type Call struct {
	Began, Ended time.Time
	Changes      int // that were written together, traced or not; at least 1
	Traced       int // of these
}

// AppendParent appends the trace as the header traceparent of W3C Trace Context, version
// 00, with the flag that says that it is sampled: 55 bytes.
func (t *Trace) AppendParent(dst []byte) []byte {
	dst = append(dst, "00-"...)
	dst = hex.AppendEncode(dst, t.TraceID[:])
	dst = append(dst, '-')
	dst = hex.AppendEncode(dst, t.SpanID[:])
	return append(dst, "-01"...)
}

// parent returns what AppendParent appends, empty for nil.
func (t *Trace) parent() string {
	if t == nil {
		return ""
	}
	return string(t.AppendParent(nil))
}
