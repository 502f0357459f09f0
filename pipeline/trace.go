package pipeline

import "encoding/hex"

// Trace is the place of a change in a trace of OpenTelemetry, of a change that is traced.
// Events tell it as traceparent, the extension of CloudEvents for distributed tracing, so
// that who receives one can go on with the trace. It is shared and not to be changed.
type Trace struct {
	TraceID [16]byte // of all that becomes of this state of the object, to all sinks
	SpanID  [8]byte  // of its way to one sink
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
