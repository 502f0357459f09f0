package otlp

import (
	"math"
	"strings"

	commonpb "go.opentelemetry.io/proto/slim/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/slim/otlp/logs/v1"
	resourcepb "go.opentelemetry.io/proto/slim/otlp/resource/v1"

	"github.com/fairlead-dev/fairlead/pipeline"
)

const (
	contentType = "application/x-protobuf"
	scopeName   = "github.com/fairlead-dev/fairlead"
)

// Attributes of records and resources. Those that begin with fairlead are ours. Of the
// others the semantic conventions of OpenTelemetry, version 1.37, say: cloudevents.* and
// k8s.* are in development, service.name is stable.
const (
	attrID          = "cloudevents.event_id"
	attrSource      = "cloudevents.event_source"
	attrSpecVersion = "cloudevents.event_spec_version"
	attrType        = "cloudevents.event_type"
	attrSubject     = "cloudevents.event_subject"
	attrNamespace   = "k8s.namespace.name"

	attrAPIVersion      = "fairlead.apiversion"
	attrKind            = "fairlead.kind"
	attrResource        = "fairlead.resource"
	attrName            = "fairlead.name"
	attrUID             = "fairlead.uid"
	attrResourceVersion = "fairlead.resource_version"
	attrTerm            = "fairlead.term"
	attrSequence        = "fairlead.sequence"
	attrSnapshot        = "fairlead.snapshot"
	attrTombstone       = "fairlead.tombstone"

	attrClusterName = "k8s.cluster.name"
	attrClusterUID  = "k8s.cluster.uid"
	attrService     = "service.name"
)

// named are the attributes of an event that have another name here. The others that are
// not in it are of the resource, or of the record itself.
var named = map[string]string{
	"specversion": attrSpecVersion, "type": attrType, "source": attrSource, "subject": attrSubject, "id": attrID,
	"apiversion": attrAPIVersion, "kind": attrKind, "namespace": attrNamespace, "name": attrName, "resourceversion": attrResourceVersion,
}

// record returns a change as a log record: both its times are that of the observation,
// its name is the event's type, its severity INFO, and its body the object: JSON as a text,
// or a map, of which it tells how many values are in it.
func record(c *pipeline.Change, asMap bool) (r *logspb.LogRecord, values int) {
	r = &logspb.LogRecord{
		SeverityNumber: logspb.SeverityNumber_SEVERITY_NUMBER_INFO, SeverityText: "INFO",
		Attributes: make([]*commonpb.KeyValue, 0, len(named)+6),
	}
	if !c.Observed.IsZero() {
		r.TimeUnixNano = uint64(c.Observed.UnixNano())
		r.ObservedTimeUnixNano = r.TimeUnixNano
	}
	for name, value := range c.Attributes() {
		if name == "type" {
			r.EventName = value
		}
		if attr := named[name]; attr != "" {
			r.Attributes = append(r.Attributes, text(attr, value))
		}
	}
	r.Attributes = append(r.Attributes, text(attrResource, c.Key.Resource), text(attrUID, string(c.UID)))
	if c.Sequence != 0 {
		r.Attributes = append(r.Attributes, number(attrTerm, c.Origin.Term), number(attrSequence, c.Sequence))
	}
	if c.Snapshot {
		r.Attributes = append(r.Attributes, truth(attrSnapshot))
	}
	if c.Tombstone {
		r.Attributes = append(r.Attributes, truth(attrTombstone))
	}
	if t := c.Trace; t != nil {
		r.TraceId, r.SpanId, r.Flags = t.TraceID[:], t.SpanID[:], 1 // sampled
	}
	switch {
	case c.Object == nil:
	case asMap:
		r.Body, values = mapValue(c.Object)
	default:
		r.Body = textValue(string(c.Object)) // a copy: nothing is kept of a change
	}
	return r, values
}

// resource returns the resource of the records of a cluster.
func resource(c *pipeline.Change) *resourcepb.Resource {
	r := &resourcepb.Resource{Attributes: []*commonpb.KeyValue{text(attrService, "fairlead"), text(attrClusterName, c.Key.Cluster)}}
	if uid := c.Origin.ClusterUID; uid != "" {
		r.Attributes = append(r.Attributes, text(attrClusterUID, uid))
	}
	return r
}

// textValue returns a text, in which what is no UTF-8 is replaced: a request with such
// a text would be refused.
func textValue(s string) *commonpb.AnyValue {
	return &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: strings.ToValidUTF8(s, "\ufffd")}}
}

func text(name, value string) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: name, Value: textValue(value)}
}

// number returns a number. There are none above the largest int64: a term counts
// processes, and a sequence begins at microseconds.
func number(name string, n uint64) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: name, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: int64(min(n, math.MaxInt64))}}}
}

func truth(name string) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: name, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_BoolValue{BoolValue: true}}}
}
