package testsinks

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/testserver"
)

// Collector is an OpenTelemetry Collector that takes log records and spans by OTLP over HTTP.
type Collector struct {
	*testserver.Server
	// File gets a line of OTLP in JSON for each request with log records, some time after
	// its answer; SpansFile for each with spans.
	File, SpansFile string
}

// StartOtelcol starts a collector. It keeps nothing in a queue: what it has answered to is
// on its way to the file. TLS is for clients, who have to show a certificate; nil: without.
func StartOtelcol(t testing.TB, files *testserver.TLS) *Collector {
	t.Helper()
	c := &Collector{}
	c.start(t, files)
	return c
}

// StartAnother starts another one, without TLS, that writes to the same files. At any time
// one of them is sent something.
func (c *Collector) StartAnother(t testing.TB) *Collector {
	t.Helper()
	other := *c
	other.start(t, nil)
	return &other
}

// start starts one with the files that there are, or with its own.
func (c *Collector) start(t testing.TB, files *testserver.TLS) {
	t.Helper()
	c.Server, _ = testserver.Prepare(t, "otelcol", find(t, Otelcol), files)
	if c.File == "" {
		c.File, c.SpansFile = filepath.Join(c.Dir, "logs.jsonl"), filepath.Join(c.Dir, "spans.jsonl")
	}
	_, host, _ := strings.Cut(c.URL, "://")
	secure := ""
	if files != nil {
		secure = fmt.Sprintf(", tls: {cert_file: %q, key_file: %q, client_ca_file: %q}", files.ServerCert, files.ServerKey, files.CA)
	}
	config := filepath.Join(c.Dir, "config.yaml")
	text := fmt.Sprintf(`receivers: {otlp: {protocols: {http: {endpoint: %q%s}}}}
exporters:
  file: {path: %q, append: true, flush_interval: 20ms}
  file/spans: {path: %q, append: true, flush_interval: 20ms}
service:
  telemetry: {metrics: {level: none}, logs: {level: warn}}
  pipelines:
    logs: {receivers: [otlp], exporters: [file]}
    traces: {receivers: [otlp], exporters: [file/spans]}
`, host, secure, c.File, c.SpansFile)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c.Args = []string{"--config=file:" + config}
	// A request without records is answered and written nowhere.
	c.Ready = func(ctx context.Context) error {
		return c.Call(ctx, http.MethodPost, "/v1/logs", json, struct{}{}, nil)
	}
	c.Start(t)
}

var (
	json  = map[string]string{"Content-Type": "application/json"}
	marks atomic.Int64
)

// Lines returns what is in the file, once all is there that was answered to before: what
// is sent now comes last.
func (c *Collector) Lines(t testing.TB) []string {
	t.Helper()
	mark := fmt.Sprint("mark-", marks.Add(1), "-")
	record := map[string]any{"body": map[string]string{"stringValue": mark}}
	body := map[string]any{"resourceLogs": []any{map[string]any{"scopeLogs": []any{map[string]any{"logRecords": []any{record}}}}}}
	if err := c.Call(t.Context(), http.MethodPost, "/v1/logs", json, body, nil); err != nil {
		t.Fatal(err)
	}
	var lines []string
	testserver.Poll(t, "the collector writes its file", func() bool {
		text, err := os.ReadFile(c.File)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		at := strings.Index(string(text), mark)
		lines = lines[:0]
		if at < 0 || !strings.Contains(string(text[at:]), "\n") {
			return false
		}
		for line := range strings.Lines(string(text)) {
			if !strings.Contains(line, `"mark-`) {
				lines = append(lines, line)
			}
		}
		return true
	})
	return lines
}
