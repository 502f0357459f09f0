package otlp_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	collectorpb "go.opentelemetry.io/proto/slim/otlp/collector/logs/v1"
	commonpb "go.opentelemetry.io/proto/slim/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/slim/otlp/logs/v1"
	"google.golang.org/protobuf/proto"

	"github.com/fairlead-dev/fairlead/internal/sinkbench"
	"github.com/fairlead-dev/fairlead/internal/testsinks"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks/otlp"
)

// BenchmarkSink sends requests of 500 records of about 2.7 KB, and the same records with
// net/http and the messages of OTLP directly, compressed alike.
func BenchmarkSink(b *testing.B) {
	const n = 500
	var batch []*pipeline.Change
	for i := range n {
		c := change("bench", i)
		c.Object = fmt.Appendf(nil, `{"kind":"Pod","spec":{"image":"registry.example/app@sha256:%064x"},"status":{"note":"%s"}}`, i*48271, strings.Repeat(fmt.Sprintf("%x ", i*7919), 350))
		batch = append(batch, c)
	}
	drain := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	defer drain.Close()
	for _, to := range []struct {
		name string
		url  func(b *testing.B) string
	}{
		{"nowhere", func(*testing.B) string { return drain.URL }},
		{"collector", func(b *testing.B) string { return testsinks.StartOtelcol(b, nil).URL }},
	} {
		b.Run("sink=otlp/what="+to.name+"/impl=fairlead", func(b *testing.B) {
			url := to.url(b) + "/v1/logs"
			sink := open(b, otlp.Options{URL: url})
			client := &http.Client{Transport: &http.Transport{}}
			b.Cleanup(client.CloseIdleConnections)
			sinkbench.Compare(b, n, nil,
				func(int) error { return sink.Write(b.Context(), batch) },
				func(int) error { return direct(b, client, url, batch) })
		})
	}
}

// direct sends the same records, as somebody would who has no sink.
func direct(b *testing.B, client *http.Client, url string, batch []*pipeline.Change) error {
	text := func(name, value string) *commonpb.KeyValue {
		return &commonpb.KeyValue{Key: name, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: value}}}
	}
	scope := &logspb.ScopeLogs{}
	for _, c := range batch {
		r := &logspb.LogRecord{TimeUnixNano: uint64(c.Observed.UnixNano()), EventName: "dev.fairlead.resource.added.v1", SeverityText: "INFO"}
		for name, value := range c.Attributes() {
			r.Attributes = append(r.Attributes, text(name, value))
		}
		r.Body = text("", string(c.Object)).Value
		scope.LogRecords = append(scope.LogRecords, r)
	}
	body, err := proto.Marshal(&collectorpb.ExportLogsServiceRequest{ResourceLogs: []*logspb.ResourceLogs{{ScopeLogs: []*logspb.ScopeLogs{scope}}}})
	if err != nil {
		return err
	}
	var zipped bytes.Buffer
	w, err := gzip.NewWriterLevel(&zipped, gzip.BestSpeed)
	if err != nil {
		return err
	}
	if _, err := w.Write(body); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(b.Context(), http.MethodPost, url, &zipped)
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/x-protobuf")
	request.Header.Set("Content-Encoding", "gzip")
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("answer %s", response.Status)
	}
	return nil
}
