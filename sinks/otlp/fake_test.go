package otlp_test

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"log" //nolint:depguard // As net/http wants it.
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	collectorpb "go.opentelemetry.io/proto/slim/otlp/collector/logs/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks/otlp"
	"github.com/fairlead-dev/fairlead/sinks/sinktest"
)

// receiver is no collector: it checks that what it gets is OTLP, keeps it, and answers as a
// test tells it to. real_test.go has a real one.
type receiver struct {
	*httptest.Server
	t      testing.TB
	mu     sync.Mutex
	answer func(w http.ResponseWriter, r *http.Request, m *collectorpb.ExportLogsServiceRequest, size int) bool // true: it has answered, and keeps nothing
	kept   [][]byte                                                                                             // requests, as JSON
}

func receive(t testing.TB) *receiver {
	t.Helper()
	r := &receiver{t: t}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	var body io.Reader = request.Body
	if request.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(body)
		if err != nil {
			r.t.Error(err)
			return
		}
		body = unzipped
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return // it was cut off
	}
	if request.Method != http.MethodPost || request.Header.Get("Content-Type") != "application/x-protobuf" {
		r.t.Errorf("%s of %s", request.Method, request.Header.Get("Content-Type"))
	}
	m := &collectorpb.ExportLogsServiceRequest{}
	if err := proto.Unmarshal(text, m); err != nil {
		r.t.Errorf("what arrives is no request of OTLP: %v", err)
	}
	if len(m.ProtoReflect().GetUnknown()) > 0 {
		r.t.Error("it has fields that OTLP does not know")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.answer != nil && r.answer(w, request, m, len(text)) {
		return
	}
	asJSON, err := protojson.Marshal(m)
	if err != nil {
		r.t.Error(err)
	}
	r.kept = append(r.kept, asJSON)
	w.Header().Set("Content-Type", "application/x-protobuf")
}

func (r *receiver) sink(o otlp.Options) *otlp.Sink {
	o.URL = r.URL + "/v1/logs"
	return open(r.t, o)
}

func (r *receiver) events() (all []pipeline.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, request := range r.kept {
		all = append(all, events(r.t, request)...)
	}
	return all
}

func names(m *collectorpb.ExportLogsServiceRequest) (all []string) {
	for _, of := range m.ResourceLogs {
		for _, scope := range of.ScopeLogs {
			for _, r := range scope.LogRecords {
				for _, a := range r.Attributes {
					if a.Key == "fairlead.name" {
						all = append(all, a.Value.GetStringValue())
					}
				}
			}
		}
	}
	return all
}

// TestConformance runs the suite with the fake, so that it runs everywhere.
func TestConformance(t *testing.T) {
	sinktest.Run(t, func(t *testing.T) (pipeline.Sink, func() []pipeline.Event) {
		r := receive(t)
		return r.sink(otlp.Options{}), func() []pipeline.Event { return inOrder(r.events()) }
	})
}

// TestRefused: what a receiver refuses for good is found, and the others are accepted.
func TestRefused(t *testing.T) {
	r := receive(t)
	r.answer = func(w http.ResponseWriter, _ *http.Request, m *collectorpb.ExportLogsServiceRequest, _ int) bool {
		if all := names(m); slices.Contains(all, "cm-3") || slices.Contains(all, "cm-7") {
			w.WriteHeader(http.StatusBadRequest)
			return true
		}
		return false
	}
	var batch []*pipeline.Change
	for n := range 10 {
		batch = append(batch, change(fmt.Sprint("c", n%2), n))
	}
	err := r.sink(otlp.Options{}).Write(t.Context(), batch)
	partial, ok := err.(*pipeline.BatchError) //nolint:errorlint // It is to be the error itself.
	if !ok || len(partial.Failed) != 2 || !pipeline.IsPermanent(partial.Failed[3]) || !pipeline.IsPermanent(partial.Failed[7]) {
		t.Fatalf("%v, want changes 3 and 7 to be refused for good", err)
	}
	if n := len(r.events()); n != 8 {
		t.Errorf("%d records were accepted, want each of the others once", n)
	}
}

// TestTheReceiverIsWrong: who refuses whatever he gets refuses no record.
func TestTheReceiverIsWrong(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusRequestEntityTooLarge) })
	secure, proxy := httptest.NewUnstartedServer(handler), httptest.NewServer(handler)
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	t.Cleanup(proxy.Close)
	for url, want := range map[string]string{
		"http" + strings.TrimPrefix(secure.URL, "https"): "Client sent an HTTP request to an HTTPS server",
		proxy.URL: "413 Request Entity Too Large",
	} {
		sink := open(t, otlp.Options{URL: url + "/v1/logs"})
		for _, n := range []int{1, 10} {
			var batch []*pipeline.Change
			for i := range n {
				batch = append(batch, change("a", i))
			}
			err := sink.Write(t.Context(), batch)
			_, partial := errors.AsType[*pipeline.BatchError](err)
			if err == nil || partial || pipeline.IsPermanent(err) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "a request without records as well") {
				t.Errorf("%d changes: %v, want an error that is tried again and says %q", n, err, want)
			}
		}
	}
}

// TestAWrongReceiverInBetween: what it accepted before stays accepted, and nothing is given
// up. Likewise if it is away when it is asked about a refusal.
func TestAWrongReceiverInBetween(t *testing.T) {
	for _, status := range []int{http.StatusBadRequest, http.StatusServiceUnavailable} {
		r := receive(t)
		wrong := false
		r.answer = func(w http.ResponseWriter, _ *http.Request, m *collectorpb.ExportLogsServiceRequest, _ int) bool {
			switch {
			case slices.Contains(names(m), "cm-5"):
				wrong = true
				w.WriteHeader(http.StatusBadRequest)
			case wrong:
				w.WriteHeader(status)
			}
			return wrong
		}
		var batch []*pipeline.Change
		for n := range 9 {
			c := change("a", n)
			c.Object = []byte(`"` + strings.Repeat("x", 50<<10) + `"`)
			batch = append(batch, c)
		}
		err := r.sink(otlp.Options{MaxRequest: 64 << 10}).Write(t.Context(), batch)
		partial, ok := err.(*pipeline.BatchError) //nolint:errorlint // It is to be the error itself.
		if !ok || len(partial.Failed) != 4 || len(r.events()) != 5 {
			t.Fatalf("%v, %d records", err, len(r.events()))
		}
		for i, reason := range partial.Failed {
			if i < 5 || pipeline.IsPermanent(reason) || !pipeline.IsOutage(reason) {
				t.Errorf("%d: %v", i, reason)
			}
		}
	}
}

func TestAnswers(t *testing.T) {
	status := protowire.AppendString(protowire.AppendTag(protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 14), 2, protowire.BytesType), "queue is full")
	const canary = "c4n4ry-token-0123"
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte(canary), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		status    int
		kind      string
		body      string
		want      string
		after     time.Duration
		permanent bool
	}{
		{503, "application/x-protobuf", string(status), "503 Service Unavailable: queue is full; the receiver has too much to do", 7 * time.Second, false},
		{429, "", "", "429 Too Many Requests", 7 * time.Second, false},
		{502, "text/html", "<html>" + strings.Repeat("x", 5000), "502 Bad Gateway: <html>", 7 * time.Second, false},
		{401, "text/plain", "you sent " + canary + "\r\n", "401 Unauthorized: you sent [redacted]; check the token", 7 * time.Second, false},
		{403, "", "", "check the token", 7 * time.Second, false},
		{404, "", "", "check the path", 7 * time.Second, false},
		{415, "", "", "takes no protobuf", 7 * time.Second, false},
		{500, "", "", "500 Internal Server Error", 7 * time.Second, false},
		{302, "", "", "write the URL of http://elsewhere.example/", 7 * time.Second, false},
		{200, "text/html", "<html>Please log in</html>", "none of OTLP: <html>Please log in</html>; check host, port and path", 0, false},
		{400, "application/x-protobuf", "\xff", "400 Bad Request; the receiver does not understand a record", 0, true},
		{413, "", "", "lower max-request", 0, true},
		{200, "application/json", "{}", "", 0, false},
		{200, "Application/JSON; charset=utf-8", `{"partialSuccess":{}}`, "", 0, false},
		{200, "application/json", `{"error":"no route"}`, `none of OTLP: {"error":"no route"}; check host, port and path`, 0, false},
		{200, "application/json", `{"partialSuccess":{"code":1}}`, "none of OTLP", 0, false},
		{200, "application/json", `[]`, "none of OTLP", 0, false},
		{200, "application/json", `{} and more`, "none of OTLP", 0, false},
		{204, "", "", "", 0, false},
	} {
		t.Run(fmt.Sprint(tt.status, tt.kind), func(t *testing.T) {
			r := receive(t)
			r.answer = func(w http.ResponseWriter, request *http.Request, m *collectorpb.ExportLogsServiceRequest, _ int) bool {
				if tt.permanent && len(names(m)) == 0 {
					return false // it is about records
				}
				if request.Header.Get("Authorization") != "Bearer "+canary {
					t.Error("no token")
				}
				w.Header().Set("Retry-After", "7")
				w.Header().Set("Location", "http://elsewhere.example/")
				w.Header().Set("Content-Type", tt.kind)
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.body)
				return true
			}
			sink := r.sink(otlp.Options{TokenFile: token})
			// A check, which has no record, is told the same before there is a change.
			wrong := tt.want != "" && !tt.permanent
			if err := sink.Check(t.Context()); (err != nil) != wrong || wrong && !strings.Contains(err.Error(), tt.want) || strings.Contains(fmt.Sprint(err), canary) {
				t.Errorf("Check: %v", err)
			}
			err := sink.Write(t.Context(), []*pipeline.Change{change("a", 1)})
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			partial, isPartial := err.(*pipeline.BatchError) //nolint:errorlint // It is to be the error itself.
			if isPartial {
				err = partial.Failed[0]
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), canary) || strings.ContainsAny(err.Error(), "\r\n") || len(err.Error()) > 600 {
				t.Fatalf("%v, want %q", err, tt.want)
			}
			if pipeline.IsPermanent(err) != tt.permanent {
				t.Errorf("for good: %v", !tt.permanent)
			}
			if d, _ := pipeline.RetryDelay(err); d < tt.after || d > tt.after+tt.after/10 {
				t.Errorf("after %v, want %v", d, tt.after)
			}
		})
	}
}

// TestSplit: no request is larger than it may be, unless it has one record.
func TestSplit(t *testing.T) {
	r := receive(t)
	most, requests := 0, 0
	r.answer = func(_ http.ResponseWriter, _ *http.Request, m *collectorpb.ExportLogsServiceRequest, size int) bool {
		requests++
		if len(names(m)) > 1 {
			most = max(most, size)
		}
		return false
	}
	var batch []*pipeline.Change
	for n := range 200 {
		c := change(fmt.Sprint("cluster-", n%7), n)
		c.Object = fmt.Appendf(nil, `{"data":"%s"}`, strings.Repeat("x", n*37%2000))
		batch = append(batch, c)
	}
	batch[50].Object = []byte(`"` + strings.Repeat("x", 100<<10) + `"`)
	if err := r.sink(otlp.Options{MaxRequest: 64 << 10}).Write(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	if most > 64<<10 || most < 50<<10 || requests < 7 || requests > 12 {
		t.Errorf("%d requests, the largest of several records has %d bytes", requests, most)
	}
	all := r.events()
	if len(all) != 200 {
		t.Errorf("%d records", len(all))
	}
	last := map[string]pipeline.Ordinal{}
	for _, e := range all {
		if e.Sequence <= last[e.Cluster] {
			t.Errorf("%s arrives after one of its cluster that came later", e.ID)
		}
		last[e.Cluster] = e.Sequence
	}
}

// TestTheRestIsNotSent where a request fails for now: what was accepted stays accepted, and
// the pause that the receiver asks for is one of all changes.
func TestTheRestIsNotSent(t *testing.T) {
	r := receive(t)
	r.answer = func(w http.ResponseWriter, _ *http.Request, m *collectorpb.ExportLogsServiceRequest, _ int) bool {
		if slices.Contains(names(m), "cm-5") {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		}
		return false
	}
	var batch []*pipeline.Change
	for n := range 9 {
		c := change("a", n)
		c.Object = []byte(`"` + strings.Repeat("x", 50<<10) + `"`)
		batch = append(batch, c)
	}
	err := r.sink(otlp.Options{MaxRequest: 64 << 10}).Write(t.Context(), batch)
	partial, ok := err.(*pipeline.BatchError) //nolint:errorlint // It is to be the error itself.
	if !ok || len(partial.Failed) != 4 || len(r.events()) != 5 {
		t.Fatalf("%v, %d records", err, len(r.events()))
	}
	for i, reason := range partial.Failed {
		if d, _ := pipeline.RetryDelay(reason); i < 5 || pipeline.IsPermanent(reason) || !pipeline.IsOutage(reason) || d < 7*time.Second || d > 8*time.Second {
			t.Errorf("%d: %v, an outage: %v, after %v", i, reason, pipeline.IsOutage(reason), d)
		}
	}
}

// The record of a change that is traced has its place in the trace, others have none.
func TestTraced(t *testing.T) {
	r := receive(t)
	var got []string
	r.answer = func(_ http.ResponseWriter, _ *http.Request, m *collectorpb.ExportLogsServiceRequest, _ int) bool {
		for _, of := range m.ResourceLogs {
			for _, scope := range of.ScopeLogs {
				for _, record := range scope.LogRecords {
					got = append(got, fmt.Sprintf("%x %x %d", record.TraceId, record.SpanId, record.Flags))
				}
			}
		}
		return true
	}
	traced := change("a", 1)
	traced.Trace = &pipeline.Trace{TraceID: [16]byte{1}, SpanID: [8]byte{2}}
	if err := r.sink(otlp.Options{}).Write(t.Context(), []*pipeline.Change{traced, change("a", 2)}); err != nil {
		t.Fatal(err)
	}
	if want := []string{"01000000000000000000000000000000 0200000000000000 1", "  0"}; !slices.Equal(got, want) {
		t.Errorf("records have %q, want %q", got, want)
	}
}

// TestPartialSuccess is counted, logged once in a while, and accepted.
func TestPartialSuccess(t *testing.T) {
	text, err := proto.Marshal(&collectorpb.ExportLogsServiceResponse{PartialSuccess: &collectorpb.ExportLogsPartialSuccess{RejectedLogRecords: 2, ErrorMessage: "too\nold"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, answer := range []struct{ kind, body string }{
		{"application/x-protobuf", string(text)},
		{"application/json", `{"partialSuccess":{"rejectedLogRecords":"2","errorMessage":"too\nold"}}`},
		{"application/json", `{"partialSuccess":{"rejectedLogRecords":2,"errorMessage":"too\nold"}}`},
	} {
		r := receive(t)
		r.answer = func(w http.ResponseWriter, _ *http.Request, _ *collectorpb.ExportLogsServiceRequest, _ int) bool {
			w.Header().Set("Content-Type", answer.kind)
			_, _ = io.WriteString(w, answer.body)
			return true
		}
		registry := prometheus.NewRegistry()
		var lines []string
		logger := funcr.New(func(_, args string) { lines = append(lines, args) }, funcr.Options{})
		sink := r.sink(otlp.Options{Registerer: registry, Log: logger})
		for n := range 3 {
			if err := sink.Write(t.Context(), []*pipeline.Change{change("a", n)}); err != nil {
				t.Fatal(err)
			}
		}
		want := "# HELP fairlead_otlp_rejected_total Log records that the receiver has rejected of requests that it accepted. They are lost there.\n" +
			"# TYPE fairlead_otlp_rejected_total counter\nfairlead_otlp_rejected_total 6\n"
		if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "fairlead_otlp_rejected_total"); err != nil {
			t.Errorf("%s: %v", answer.body, err)
		}
		if len(lines) != 1 || !strings.Contains(lines[0], `"rejected"=2 "message"="too old"`) {
			t.Errorf("%s: logged %q", answer.body, lines)
		}
	}
}
