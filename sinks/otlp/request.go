package otlp

import (
	"fmt"
	"strings"

	collectorpb "go.opentelemetry.io/proto/slim/otlp/collector/logs/v1"
	commonpb "go.opentelemetry.io/proto/slim/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/slim/otlp/logs/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// perField is what a field costs beside its content: its tag, and its length.
const perField = 1 + 5

// request returns the body of a request with as many of the changes as fit, at least
// one, and how many these are.
func (s *Sink) request(changes []*pipeline.Change) (body []byte, n int, err error) {
	type cluster struct{ name, uid string }
	message := &collectorpb.ExportLogsServiceRequest{}
	of := map[cluster]*logspb.ScopeLogs{}
	size, values := 0, 0
	for _, c := range changes {
		r, moreValues := record(c, s.bodyMap)
		more := proto.Size(r) + perField
		at := cluster{c.Key.Cluster, c.Origin.ClusterUID}
		logs := of[at]
		var added *logspb.ResourceLogs
		if logs == nil {
			logs = &logspb.ScopeLogs{Scope: &commonpb.InstrumentationScope{Name: scopeName, Version: s.version}}
			added = &logspb.ResourceLogs{Resource: resource(c), ScopeLogs: []*logspb.ScopeLogs{logs}}
			more += proto.Size(added) + 2*perField // it grows by the records, and with it the lengths
		}
		if n > 0 && (size+more > s.maxRequest || values+moreValues > maxOfRequest) {
			break
		}
		if added != nil {
			of[at] = logs
			message.ResourceLogs = append(message.ResourceLogs, added)
		}
		logs.LogRecords = append(logs.LogRecords, r)
		size, values, n = size+more, values+moreValues, n+1
	}
	body, err = proto.Marshal(message)
	if err != nil {
		return nil, 0, fmt.Errorf("encode log records: %w", err)
	}
	return body, n, nil
}

// response returns what an answer of success says of rejected records. OTLP has it in
// protobuf, as the request is; some receivers answer in JSON. That may have no field that
// OTLP does not know: else any object would pass for an answer.
func response(contentType string, body []byte) (rejected int64, message string, err error) {
	unmarshal := proto.Unmarshal
	if kind, _, _ := strings.Cut(contentType, ";"); strings.EqualFold(strings.TrimSpace(kind), "application/json") {
		unmarshal = protojson.Unmarshal
	}
	var r collectorpb.ExportLogsServiceResponse
	if err := unmarshal(body, &r); err != nil {
		return 0, "", err
	}
	p := r.GetPartialSuccess()
	return p.GetRejectedLogRecords(), p.GetErrorMessage(), nil
}
