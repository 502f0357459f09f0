package testsinks

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
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
	c.start(t, files, nil)
	return c
}

// StartOtelcolIn is StartOtelcol, without TLS, with a folder for what it writes, such as one on a
// volume of the test's own. A collector that could not write takes no records before it is
// started again.
func StartOtelcolIn(t testing.TB, folder string) *Collector {
	t.Helper()
	c := inFolder(folder)
	c.start(t, nil, nil)
	return c
}

// StartOtelcolWith is StartOtelcol, without TLS, with settings of the receiver's HTTP server, as
// the Collector's configuration has them. The endpoint is another one than they say.
func StartOtelcolWith(t testing.TB, settings map[string]any) *Collector {
	t.Helper()
	c := &Collector{}
	c.start(t, nil, settings)
	return c
}

// StartAnother starts another one, without TLS, that writes to the same files. At any time
// one of them is sent something.
func (c *Collector) StartAnother(t testing.TB) *Collector {
	t.Helper()
	other := *c
	other.start(t, nil, nil)
	return &other
}

func inFolder(folder string) *Collector {
	return &Collector{File: filepath.Join(folder, "logs.jsonl"), SpansFile: filepath.Join(folder, "spans.jsonl")}
}

// start starts one with the files that there are, or with its own.
func (c *Collector) start(t testing.TB, files *testserver.TLS, more map[string]any) {
	t.Helper()
	server, _ := testserver.Prepare(t, "otelcol", find(t, Otelcol), files)
	if c.File == "" {
		*c = *inFolder(server.Dir)
	}
	c.Server = server
	_, host, _ := strings.Cut(c.URL, "://")
	settings := map[string]any{}
	maps.Copy(settings, more)
	settings["endpoint"] = host
	if files != nil {
		settings["tls"] = map[string]string{"cert_file": files.ServerCert, "key_file": files.ServerKey, "client_ca_file": files.CA}
	}
	receiver, err := json.Marshal(settings) // JSON is YAML
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(c.Dir, "config.yaml")
	text := fmt.Sprintf(`receivers: {otlp: {protocols: {http: %s}}}
exporters:
  file: {path: %q, append: true, flush_interval: 20ms}
  file/spans: {path: %q, append: true, flush_interval: 20ms}
service:
  telemetry: {metrics: {level: none}, logs: {level: warn}}
  pipelines:
    logs: {receivers: [otlp], exporters: [file]}
    traces: {receivers: [otlp], exporters: [file/spans]}
`, receiver, c.File, c.SpansFile)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c.Args = []string{"--config=file:" + config}
	// A request without records is answered and written nowhere.
	c.Ready = func(ctx context.Context) error {
		return c.Call(ctx, http.MethodPost, "/v1/logs", asJSON, struct{}{}, nil)
	}
	c.Start(t)
}

var (
	asJSON = map[string]string{"Content-Type": "application/json"}
	marks  atomic.Int64
)

// Lines returns what is in the file, once all is there that was answered to before: what
// is sent now comes last.
func (c *Collector) Lines(t testing.TB) []string {
	t.Helper()
	mark := fmt.Sprint("mark-", marks.Add(1), "-")
	record := map[string]any{"body": map[string]string{"stringValue": mark}}
	body := map[string]any{"resourceLogs": []any{map[string]any{"scopeLogs": []any{map[string]any{"logRecords": []any{record}}}}}}
	if err := c.Call(t.Context(), http.MethodPost, "/v1/logs", asJSON, body, nil); err != nil {
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
