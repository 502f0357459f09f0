package trace

import (
	"compress/gzip"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/prometheus/client_golang/prometheus/testutil"
	collectorpb "go.opentelemetry.io/proto/slim/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/slim/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/slim/otlp/trace/v1"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairlead-dev/fairlead/internal/httpdest"
	"github.com/fairlead-dev/fairlead/internal/leaks"
	"github.com/fairlead-dev/fairlead/internal/testserver"
	"github.com/fairlead-dev/fairlead/internal/testsinks"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/pipeline/stage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(leaks.Patient(m)) }

// receiver keeps the spans that it is sent, and answers as a test tells it to.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	spans  []*tracepb.Span
	header http.Header
	answer func() int // 0 or nil: it keeps the spans
}

func receive(t testing.TB) *receiver {
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.answer != nil {
			if code := r.answer(); code != 0 {
				http.Error(w, "not now", code)
				return
			}
		}
		unzipped, err := gzip.NewReader(request.Body)
		if err != nil {
			t.Error(err)
			return
		}
		text, err := io.ReadAll(unzipped)
		m := &collectorpb.ExportTraceServiceRequest{}
		if err != nil || proto.Unmarshal(text, m) != nil || request.URL.Path != "/v1/traces" {
			t.Errorf("what arrives at %s is no request of OTLP", request.URL.Path)
		}
		r.header = request.Header
		for _, of := range m.ResourceSpans {
			for _, scope := range of.ScopeSpans {
				r.spans = append(r.spans, scope.Spans...)
			}
		}
	}))
	t.Cleanup(r.Close)
	return r
}

// run runs a tracer until the test ends, or stop is called.
func run(t *testing.T, o Options, endpoint string) (tracer *Tracer, stop func()) {
	t.Helper()
	tracer = newTracer(t, o, endpoint)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- tracer.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return tracer, stop
}

func newTracer(t testing.TB, o Options, endpoint string) *Tracer {
	t.Helper()
	to, err := ParseEndpoint(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	o.Endpoint, o.UserAgent = to, "fairlead/test"
	if o.Log.IsZero() {
		o.Log = logr.Discard()
	}
	tracer, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return tracer
}

func change(name string, observed time.Time) *pipeline.Change {
	return &pipeline.Change{
		Key:    pipeline.Key{Cluster: "edge-1", Resource: "pods", Namespace: "ns", Name: name},
		Origin: &pipeline.Origin{ClusterUID: "cluster-uid", Resource: schema.GroupVersionResource{Version: "v1", Resource: "pods"}, Kind: "Pod", Term: 1},
		Op:     pipeline.Added, UID: "u", ResourceVersion: name, Sequence: 1, Observed: observed, Object: []byte(`{}`),
	}
}

func attributes(all []*commonpb.KeyValue) map[string]string {
	m := map[string]string{}
	for _, a := range all {
		m[a.Key] = a.Value.GetStringValue()
		if n, ok := a.Value.Value.(*commonpb.AnyValue_IntValue); ok {
			m[a.Key] = fmt.Sprint(n.IntValue)
		}
	}
	return m
}

// The way of a change to a sink is three spans of one trace, whose place its event tells;
// to another sink it is the same trace; a try that is refused is a span with an error; and
// that the ledger has stored the ack is one more.
func TestSpans(t *testing.T) {
	r := receive(t)
	tracer, stop := run(t, Options{Ratio: 1}, "otlp:"+r.URL)
	observed := time.Now().Add(-3 * time.Second)
	began := observed.Add(2 * time.Second)
	c := change("a", observed)
	c.Trace = tracer.Choose("file:/x")(c)
	other := change("a", observed)
	if got := tracer.Choose("stdout:")(other); got.TraceID != c.Trace.TraceID || got.SpanID == c.Trace.SpanID {
		t.Errorf("of another sink: %x, want trace %x and another span", got.TraceID, c.Trace.TraceID)
	}
	event, err := pipeline.ParseEvent(c.AppendCloudEvent(nil))
	want := fmt.Sprintf("00-%x-%x-01", c.Trace.TraceID, c.Trace.SpanID)
	if err != nil || event.TraceParent != want {
		t.Errorf("the event says %q, %v; want %q", event.TraceParent, err, want)
	}
	tracer.Observe("file:/x", stage.Delivery{Change: c, Began: began, Refused: errors.New("disk full")})
	c.Refusals++
	if again := tracer.Choose("file:/x")(c); again != c.Trace {
		t.Error("another try has another trace")
	}
	tracer.Observe("file:/x", stage.Delivery{Change: c, Began: began})
	c.Trace.Stored()
	stop()

	byName := map[string][]*tracepb.Span{}
	for _, s := range r.spans {
		byName[s.Name] = append(byName[s.Name], s)
	}
	if len(r.spans) != 5 || len(byName["process pods"]) != 1 || len(byName["wait"]) != 1 || len(byName["send file"]) != 2 || len(byName["acked"]) != 1 {
		t.Fatalf("spans: %v", r.spans)
	}
	acked := byName["acked"][0]
	whole, wait, refused := byName["process pods"][0], byName["wait"][0], byName["send file"][0]
	if hex.EncodeToString(whole.TraceId) != want[3:35] || hex.EncodeToString(whole.SpanId) != want[36:52] || whole.ParentSpanId != nil {
		t.Errorf("the root is %v, want %s", whole, want)
	}
	for _, s := range []*tracepb.Span{wait, refused, acked} {
		if string(s.TraceId) != string(whole.TraceId) || string(s.ParentSpanId) != string(whole.SpanId) {
			t.Errorf("%s is no child of the root", s.Name)
		}
	}
	if whole.StartTimeUnixNano != uint64(observed.UnixNano()) || wait.EndTimeUnixNano != uint64(began.UnixNano()) || refused.StartTimeUnixNano != wait.EndTimeUnixNano {
		t.Error("the times are others than those of the delivery")
	}
	if acked.StartTimeUnixNano != whole.EndTimeUnixNano || acked.EndTimeUnixNano < acked.StartTimeUnixNano {
		t.Error("acked does not begin when the sink has accepted the change")
	}
	if refused.Status.GetCode() != tracepb.Status_STATUS_CODE_ERROR || refused.Status.GetMessage() != "disk full" {
		t.Errorf("what was refused: %v", refused.Status)
	}
	is := attributes(whole.Attributes)
	for name, value := range map[string]string{
		"k8s.cluster.name": "edge-1", "k8s.cluster.uid": "cluster-uid", "k8s.namespace.name": "ns", "fairlead.name": "a",
		"messaging.operation.type": "process", "messaging.message.id": c.ID(),
	} {
		if is[name] != value {
			t.Errorf("%s is %q, want %q", name, is[name], value)
		}
	}
	if sent := attributes(byName["send file"][1].Attributes); sent["messaging.destination.name"] != "file:/x" || sent["fairlead.attempt"] != "2" {
		t.Errorf("the second try: %v", sent)
	}
	if waited := attributes(byName["wait"][0].Attributes); waited["fairlead.attempt"] != "2" {
		t.Errorf("the wait that covers the first try: %v", waited)
	}
	if got := testutil.ToFloat64(tracer.metrics.sent); got != 5 {
		t.Errorf("%v spans are counted", got)
	}
}

// Which changes are traced: a ratio, the same ones everywhere, and those that are late.
func TestChoice(t *testing.T) {
	tracer := newTracer(t, Options{Ratio: 0.1, Lag: time.Minute}, "otlp:http://127.0.0.1:1")
	other := newTracer(t, Options{Ratio: 0.1}, "otlp:http://127.0.0.1:1")
	tracer.limit.SetBurst(1 << 20)
	other.limit.SetBurst(1 << 20)
	tracer.limit.SetLimit(1e9)
	other.limit.SetLimit(1e9)
	n := 0
	for i := range 10000 {
		c := change(fmt.Sprint(i), time.Now())
		got := tracer.Choose("a")(c)
		if got != nil {
			n++
		}
		if (got != nil) != (other.Choose("b")(c) != nil) {
			t.Fatalf("two processes do not agree on %d", i)
		}
	}
	if n < 800 || n > 1200 {
		t.Errorf("%d of 10000 are chosen, want a tenth", n)
	}
	none := newTracer(t, Options{Lag: time.Minute}, "otlp:http://127.0.0.1:1")
	if none.Choose("a")(change("x", time.Now())) != nil || none.Choose("a")(change("x", time.Now().Add(-time.Hour))) == nil {
		t.Error("not those that are late are chosen")
	}
	// What becomes late during its write has spans.
	late := change("x", time.Now().Add(-time.Hour))
	none.Observe("a", stage.Delivery{Change: late, Began: time.Now(), Refused: errors.New("no")})
	if len(none.queue) != 0 {
		t.Error("what was not chosen and is refused is traced")
	}
	none.Observe("a", stage.Delivery{Change: late, Began: time.Now()})
	none.Observe("a", stage.Delivery{Change: change("y", time.Now()), Began: time.Now()})
	if len(none.queue) != 1 {
		t.Errorf("%d answers wait, want that of the late one", len(none.queue))
	}
}

// More than may be traced is dropped, and counted, and nobody waits.
func TestBounds(t *testing.T) {
	tracer := newTracer(t, Options{Ratio: 1}, "otlp:http://127.0.0.1:1")
	chosen := 0
	for i := range 1000 {
		if tracer.Choose("a")(change(fmt.Sprint(i), time.Now())) != nil {
			chosen++
		}
	}
	dropped := testutil.ToFloat64(tracer.metrics.dropped.WithLabelValues(droppedRate))
	if chosen < mostTraces/2 || chosen == 1000 || dropped != float64(spansOfChange*(1000-chosen)) {
		t.Errorf("%d are chosen, %v spans dropped", chosen, dropped)
	}
	c := change("x", time.Now())
	c.Trace = &pipeline.Trace{}
	for range queueSize + 7 {
		tracer.Observe("a", stage.Delivery{Change: c, Began: time.Now()})
	}
	if got := testutil.ToFloat64(tracer.metrics.dropped.WithLabelValues(droppedQueue)); got != 3*7 {
		t.Errorf("%v spans are dropped of a full queue, want 21", got)
	}
}

// A change that may not be traced is counted once, however often it is tried.
func TestRateCountsChanges(t *testing.T) {
	for name, o := range map[string]Options{"late": {Lag: time.Second}, "chosen": {Ratio: 1}, "both": {Ratio: 1, Lag: time.Second}} {
		tracer := newTracer(t, o, "otlp:http://127.0.0.1:1")
		tracer.limit.SetBurst(0)
		c := change("x", time.Now().Add(-time.Hour))
		try := func(refused error) {
			c.Trace = tracer.Choose("a")(c)
			tracer.Observe("a", stage.Delivery{Change: c, Began: time.Now(), Refused: refused})
		}
		for ; c.Refusals < 5; c.Refusals++ {
			try(errors.New("no"))
		}
		try(nil)
		if got := testutil.ToFloat64(tracer.metrics.dropped.WithLabelValues(droppedRate)); got != spansOfChange {
			t.Errorf("%s: %v spans are counted, want %d", name, got, spansOfChange)
		}
	}
}

// A receiver that is down is tried again; what it refuses for good is dropped and logged
// once, with what to do, and without credentials.
func TestReceiverFails(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("s3cret-canary"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := receive(t)
	codes := []int{503, 0, 401, 401, 0}
	r.answer = func() int {
		if len(codes) == 0 {
			return 0
		}
		code := codes[0]
		codes = codes[1:]
		return code
	}
	var mu sync.Mutex
	var logs []string
	log := funcr.New(func(_, line string) {
		mu.Lock()
		defer mu.Unlock()
		logs = append(logs, line)
	}, funcr.Options{})
	tracer, _ := run(t, Options{Ratio: 1, Log: log}, "otlp:"+r.URL+"?token-file="+token)
	await := func(what string, ok func() bool) { testserver.Poll(t, what, ok) }
	tell := func() {
		c := change("x", time.Now())
		c.Trace = &pipeline.Trace{TraceID: [16]byte{1}, SpanID: [8]byte{1}}
		tracer.Observe("a:", stage.Delivery{Change: c, Began: time.Now()})
	}
	sent := func() float64 { return testutil.ToFloat64(tracer.metrics.sent) }
	dropped := func() float64 { return testutil.ToFloat64(tracer.metrics.dropped.WithLabelValues(droppedReceiver)) }
	tell()
	await("the first is sent, at the second try", func() bool { return sent() == 3 })
	if got := r.header.Get("Authorization"); got != "Bearer s3cret-canary" {
		t.Errorf("Authorization: %q", got)
	}
	for i := range 2 {
		tell()
		await("it is refused for good", func() bool { return dropped() == float64(3*(i+1)) })
	}
	tell()
	await("what comes after is sent", func() bool { return sent() == 6 })
	mu.Lock()
	defer mu.Unlock()
	all := strings.Join(logs, "\n")
	if len(logs) != 4 || !strings.Contains(all, "check token-file") || strings.Contains(all, "s3cret") {
		t.Errorf("the log says\n%s", all)
	}
}

// Of a request that is accepted, the receiver may reject spans; and somebody else may
// answer in its place.
func TestAnswers(t *testing.T) {
	partial, err := proto.Marshal(&collectorpb.ExportTraceServiceResponse{PartialSuccess: &collectorpb.ExportTracePartialSuccess{RejectedSpans: 2}})
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		kind, body string
		rejected   int
		fails      bool
	}{
		"nothing":  {"", "", 0, false},
		"protobuf": {"application/x-protobuf", string(partial), 2, false},
		"JSON":     {"application/json; charset=utf-8", `{"partialSuccess":{"rejectedSpans":"1"}}`, 1, false},
		"hostile":  {"application/json", `{"partialSuccess":{"rejectedSpans":"-9000000000000000000"}}`, 0, false},
		"more":     {"application/json", `{"partialSuccess":{"rejectedSpans":"100"}}`, 4, false},
		"a page":   {"text/html", "<html>Sign in</html>", 0, true},
		"other":    {"application/json", `{"ok":true}`, 0, true},
	} {
		n, err := rejectedOf(httpdest.Answer{Header: http.Header{"Content-Type": {tc.kind}}, Body: []byte(tc.body)}, 4)
		if n != tc.rejected || (err != nil) != tc.fails {
			t.Errorf("%s: %d, %v", name, n, err)
		}
	}
}

// A receiver that claims to have rejected more than it was sent ends nothing.
func TestReceiverRejectsMoreThanItWasSent(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"partialSuccess":{"rejectedSpans":"100"}}`)
	}))
	defer s.Close()
	tracer := newTracer(t, Options{Ratio: 1}, "otlp:"+s.URL)
	now := time.Now()
	// The sink's name is the user's, who may have written anything.
	again, err := tracer.post(t.Context(), (&calls{}).spansOf([]answer{{route: "n\xff:x", observed: now, began: now, ended: now}, {route: "n\xff:x", observed: now, began: now, ended: now}}, now))
	if again || err != nil {
		t.Errorf("again %v, %v", again, err)
	}
	sent, dropped := testutil.ToFloat64(tracer.metrics.sent), testutil.ToFloat64(tracer.metrics.dropped.WithLabelValues(droppedReceiver))
	if sent != 0 || dropped != 6 {
		t.Errorf("%v are counted as sent and %v as dropped, want 0 and 6", sent, dropped)
	}
}

// A real collector takes what is sent.
func TestCollector(t *testing.T) {
	c := testsinks.StartOtelcol(t, nil)
	tracer, stop := run(t, Options{Ratio: 1}, "otlp:"+c.URL)
	now := time.Now()
	call := pipeline.Call{Began: now, Ended: now, Changes: 20, Traced: 20}
	for i := range 20 {
		traced := change(fmt.Sprint(i, "\xff"), now)
		traced.Trace = tracer.Choose("kafka://b/t")(traced)
		traced.Trace.Call = &call
		tracer.Observe("kafka://b/t", stage.Delivery{Change: traced, Began: traced.Observed})
		traced.Trace.Stored()
	}
	stop()
	if sent := testutil.ToFloat64(tracer.metrics.sent); sent != 81 {
		t.Fatalf("%v spans are accepted, want 81", sent)
	}
	testserver.Poll(t, "they are in the collector's file", func() bool {
		text, err := os.ReadFile(c.SpansFile)
		if err != nil || !strings.HasSuffix(string(text), "\n") {
			return false
		}
		n := 0
		for line := range strings.Lines(string(text)) {
			m := &tracepb.TracesData{}
			if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal([]byte(line), m); err != nil {
				t.Fatal(err)
			}
			for _, of := range m.ResourceSpans {
				for _, scope := range of.ScopeSpans {
					n += len(scope.Spans)
				}
			}
		}
		return n == 81
	})
}

func TestParseEndpoint(t *testing.T) {
	for text, want := range map[string]string{
		"otlp:http://c:4318":                 "http://c:4318/v1/traces",
		"otlp:https://c/otlp/v1/traces":      "https://c/otlp/v1/traces",
		"otlp:https://c?ca=/x&server-name=y": "https://c/v1/traces",
	} {
		if e, err := ParseEndpoint(text); err != nil || e.url != want {
			t.Errorf("%s: %+v, %v; want %s", text, e, err, want)
		}
	}
	for _, text := range []string{
		"", "http://c:4318", "otlp:c", "otlp:http://u:s3cret@c", "otlp:http://c?token=s3cret", "otlp:http://c?ca=/x", "otlp:https://c?cert=/x", "otlp:http://a,b",
	} {
		if e, err := ParseEndpoint(text); err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %+v, %v", text, e, err)
		}
	}
	if err := receivers.Validate(); err != nil {
		t.Error(err)
	}
}

// BenchmarkChoose is what tracing costs of each change that is not chosen.
func BenchmarkChoose(b *testing.B) {
	tracer := newTracer(b, Options{Ratio: 0, Lag: time.Minute}, "otlp:http://127.0.0.1:1")
	choose, c := tracer.Choose("a"), change("x", time.Now())
	b.ReportAllocs()
	for b.Loop() {
		if choose(c) != nil {
			b.Fatal("it is chosen")
		}
	}
}
