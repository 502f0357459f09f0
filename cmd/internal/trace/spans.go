package trace

import (
	"strings"
	"time"

	commonpb "go.opentelemetry.io/proto/slim/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/slim/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/slim/otlp/trace/v1"
)

const scopeName = "github.com/fairlead-dev/fairlead"

// spansOfChange is how many spans a change has that a sink has accepted, with the last one
// of them, for which the ledger has stored that.
const spansOfChange = 4

// Attributes. Those that begin with fairlead are ours. Of the others the semantic
// conventions of OpenTelemetry, version 1.37, say: service.* is stable, k8s.* and
// messaging.* are in development.
const (
	attrService   = "service.name"
	attrVersion   = "service.version"
	attrInstance  = "service.instance.id"
	attrCluster   = "k8s.cluster.name"
	attrUID       = "k8s.cluster.uid"
	attrNamespace = "k8s.namespace.name"
	attrError     = "error.type"

	attrSystem      = "messaging.system"
	attrOperation   = "messaging.operation.name"
	attrType        = "messaging.operation.type"
	attrDestination = "messaging.destination.name"
	attrMessage     = "messaging.message.id"

	attrResource = "fairlead.resource"
	attrName     = "fairlead.name"
	attrOp       = "fairlead.operation"
	attrSnapshot = "fairlead.snapshot"
	attrAttempt  = "fairlead.attempt"
	attrTogether = "fairlead.batch.traced" // how many of a batch are traced
	attrCount    = "messaging.batch.message_count"
)

// resource is what the spans are of: this process.
type resource struct{ version, host string }

func (r resource) proto() *resourcepb.Resource {
	return &resourcepb.Resource{Attributes: []*commonpb.KeyValue{
		text(attrService, "fairlead"), text(attrVersion, r.version), text(attrInstance, r.host),
	}}
}

// spans is how many spans an answer makes, but for that of its batch.
func (a *answer) spans() int {
	if a.refused != "" || !a.stored.IsZero() {
		return 1
	}
	return spansOfChange - 1
}

// appendSpans appends the spans of one answer, but for that of its batch.
func (a *answer) appendSpans(all []*tracepb.Span) []*tracepb.Span {
	began := a.began
	if began.IsZero() || began.Before(a.observed) {
		began = a.observed
	}
	id := a.trace.SpanID[:]
	child := func(name string, kind tracepb.Span_SpanKind, from, to time.Time) *tracepb.Span {
		return &tracepb.Span{
			TraceId: a.trace.TraceID[:], SpanId: random(8), ParentSpanId: id, Flags: 1,
			Name: name, Kind: kind, StartTimeUnixNano: nanos(from), EndTimeUnixNano: nanos(to),
		}
	}
	if !a.stored.IsZero() {
		return append(all, child("acked", tracepb.Span_SPAN_KIND_INTERNAL, a.ended, a.stored))
	}
	send := child("send "+system(a.route), tracepb.Span_SPAN_KIND_PRODUCER, began, a.ended)
	send.Attributes = append(sending(a.route), text(attrMessage, a.id))
	if a.attempt > 1 {
		send.Attributes = append(send.Attributes, number(attrAttempt, a.attempt))
	}
	if a.refused != "" {
		send.Status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR, Message: valid(a.refused)}
		send.Attributes = append(send.Attributes, text(attrError, "refused"))
		return append(all, send)
	}
	whole := child("process "+valid(a.key.Resource), tracepb.Span_SPAN_KIND_CONSUMER, a.observed, a.ended)
	whole.SpanId, whole.ParentSpanId = id, nil
	whole.Attributes = a.attributes()
	// What it waited for includes the tries before.
	wait := child("wait", tracepb.Span_SPAN_KIND_INTERNAL, a.observed, began)
	if a.attempt > 1 {
		wait.Attributes = append(wait.Attributes, number(attrAttempt, a.attempt))
	}
	return append(all, whole, wait, send)
}

// attributes tell of the change.
func (a *answer) attributes() []*commonpb.KeyValue {
	all := []*commonpb.KeyValue{
		text(attrSystem, "kubernetes"), text(attrOperation, "process"), text(attrType, "process"), text(attrMessage, a.id),
		text(attrCluster, a.key.Cluster), text(attrResource, a.key.Resource), text(attrName, a.key.Name), text(attrOp, a.op.String()),
	}
	if a.clusterUID != "" {
		all = append(all, text(attrUID, a.clusterUID))
	}
	if a.key.Namespace != "" {
		all = append(all, text(attrNamespace, a.key.Namespace))
	}
	if a.snapshot {
		all = append(all, &commonpb.KeyValue{Key: attrSnapshot, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_BoolValue{BoolValue: true}}})
	}
	return all
}

// sending are the attributes of what is sent to a sink.
func sending(route string) []*commonpb.KeyValue {
	return []*commonpb.KeyValue{
		text(attrSystem, system(route)), text(attrOperation, "send"), text(attrType, "send"), text(attrDestination, route),
	}
}

// system is the kind of sink, which stands at the beginning of its identity; or else what
// its user calls it.
func system(route string) string {
	scheme, _, _ := strings.Cut(route, ":")
	return valid(scheme)
}

func nanos(t time.Time) uint64 { return uint64(max(0, t.UnixNano())) }

// valid replaces what is no UTF-8: a request with such a text would be refused.
func valid(s string) string { return strings.ToValidUTF8(s, "\ufffd") }

// text returns an attribute.
func text(name, value string) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: name, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: valid(value)}}}
}

func number(name string, n int) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: name, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: int64(n)}}}
}
