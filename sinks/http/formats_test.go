package httpsink_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/fairlead-dev/fairlead/pipeline"
	httpsink "github.com/fairlead-dev/fairlead/sinks/http"
)

// index is no Elasticsearch: it checks what it is sent and does what the documentation of
// the bulk API says of external_gte.
type index struct {
	*server
	mu       sync.Mutex
	sources  map[string]map[string]any
	versions map[string]uint64 // of what was deleted as well
	status   map[string]int    // by the name of an object: what it answers
}

func newIndex(t testing.TB) *index {
	x := &index{sources: map[string]map[string]any{}, versions: map[string]uint64{}, status: map[string]int{}}
	x.server = serve(t, x.bulk)
	return x
}

func (x *index) bulk(w http.ResponseWriter, r *http.Request) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if r.URL.Path != "/_bulk" || r.Header.Get("Content-Type") != "application/x-ndjson" || !strings.HasPrefix(r.URL.Query().Get("filter_path"), "errors,items") {
		x.t.Errorf("%s with %s", r.URL, r.Header)
	}
	var items []any
	lines := bufio.NewScanner(r.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var action map[string]struct {
			Index, ID, VersionType string
			Version                uint64
		}
		text := strings.NewReplacer(`"_index"`, `"Index"`, `"_id"`, `"ID"`, `"version_type"`, `"VersionType"`).Replace(lines.Text())
		if err := json.Unmarshal([]byte(text), &action); err != nil || len(action) != 1 {
			x.t.Fatalf("%q: %v", lines.Text(), err)
		}
		for op, a := range action {
			if a.Index != "objects" || a.ID == "" || a.VersionType != "external_gte" {
				x.t.Errorf("%+v", a)
			}
			items = append(items, map[string]any{op: x.apply(op, a.ID, a.Version, lines)})
		}
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"errors": false, "items": items})
}

func (x *index) apply(op, id string, version uint64, lines *bufio.Scanner) any {
	var source map[string]any
	if op == "index" {
		lines.Scan()
		if err := json.Unmarshal(lines.Bytes(), &source); err != nil {
			x.t.Fatal(err)
		}
	}
	for name, status := range x.status {
		if strings.HasSuffix(id, "/"+name) {
			return map[string]any{"status": status, "error": map[string]any{"type": "some_exception", "reason": "failed to parse 'hunter2'"}}
		}
	}
	switch _, there := x.sources[id]; {
	case version < x.versions[id]:
		return map[string]any{"status": 409, "error": map[string]any{"type": "version_conflict_engine_exception"}}
	case op == "index":
		x.sources[id], x.versions[id] = source, version
		return map[string]any{"status": 200}
	default:
		delete(x.sources, id)
		x.versions[id] = version
		return map[string]any{"status": map[bool]int{true: 200, false: 404}[there]}
	}
}

func deleted(c *pipeline.Change) *pipeline.Change {
	c.Op = pipeline.Deleted
	return c
}

// TestElasticsearch is against a fake.
func TestElasticsearch(t *testing.T) {
	x := newIndex(t)
	sink := open(t, httpsink.Options{URL: x.URL, Format: httpsink.Elasticsearch, Index: "objects"})
	write(t, sink, pod("a", 2), pod("b", 1), pod("c", 1), deleted(pod("c", 2)), deleted(pod("never there", 1)))
	write(t, sink, pod("a", 1), pod("c", 1), pod("b", 1)) // late, and again
	if len(x.sources) != 2 || x.sources["alpha/pods/ns/a"]["resource_version"] != "2" || x.sources["alpha/pods/ns/b"] == nil {
		t.Errorf("%v", x.sources)
	}
	a := x.sources["alpha/pods/ns/a"]
	if a["@timestamp"] != "2026-01-02T03:04:05.000000006Z" || a["kind"] != "Pod" || a["object"].(map[string]any)["kind"] != "Pod" {
		t.Errorf("%v", a)
	}
	long := pod(strings.Repeat("n", 600), 1)
	write(t, sink, long)
	if id := slices.MaxFunc(slices.Collect(keys(x.sources)), func(a, b string) int { return len(a) - len(b) }); len(id) != 64 {
		t.Errorf("an id has %d bytes: %s", len(id), id)
	}
}

func keys[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// TestResultsOfTheBulkAPI: each change has its own.
func TestResultsOfTheBulkAPI(t *testing.T) {
	x := newIndex(t)
	sink := open(t, httpsink.Options{URL: x.URL, Format: httpsink.Elasticsearch, Index: "objects"})
	x.status = map[string]int{"bad": 400, "busy": 429, "broken": 503, "old": 409}
	err := sink.Write(t.Context(), []*pipeline.Change{pod("good", 1), pod("bad", 1), pod("busy", 1), pod("broken", 1), pod("old", 1)})
	partial, ok := errors.AsType[*pipeline.BatchError](err)
	if !ok || len(partial.Failed) != 3 || !pipeline.IsPermanent(partial.Failed[1]) || pipeline.IsPermanent(partial.Failed[2]) || pipeline.IsPermanent(partial.Failed[3]) {
		t.Fatalf("%v", err)
	}
	if text := partial.Failed[1].Error(); !strings.Contains(text, "400 (some_exception)") || strings.Contains(text, "hunter2") {
		t.Errorf("%s", text)
	}
}

// TestAnswersThatAreNoneOfTheBulkAPI: nothing counts as accepted, or as refused for good.
func TestAnswersThatAreNoneOfTheBulkAPI(t *testing.T) {
	for _, answer := range []string{
		"", "{}", "null", "[]", "<html>", `{"errors":false,"items":[]}`, `{"items":[{"index":{"status":200}}]}`, `{"items":null}`,
		`{"items":[{},{}]}`, `{"items":[{"index":{"status":200},"delete":{"status":200}},{"index":{"status":200}}]}`,
		`{"items":[{"index":{}},{"index":{}}]}`, `{"items":[{"index":null},{"index":null}]}`,
		`{"items":[{"index":{"status":200}},{"index":{"status":200}},{"index":{"status":200}}]}`,
	} {
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, answer) })
		sink := open(t, httpsink.Options{URL: s.URL, Format: httpsink.Elasticsearch})
		err := sink.Write(t.Context(), batchOf(2))
		if partial, ok := errors.AsType[*pipeline.BatchError](err); err == nil || pipeline.IsPermanent(err) || ok && len(partial.Failed) != 2 {
			t.Errorf("%s: %v", answer, err)
		}
	}
}

// TestAConflictWithoutAVersionIsNoSuccess: only a version says that what is there is newer.
func TestAConflictWithoutAVersionIsNoSuccess(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"items":[{"index":{"status":409}},{"index":{"status":409}}]}`)
	})
	c := pod("b", 1)
	c.Sequence = 0
	err := open(t, httpsink.Options{URL: s.URL, Format: httpsink.Elasticsearch}).Write(t.Context(), []*pipeline.Change{pod("a", 1), c})
	if partial, ok := errors.AsType[*pipeline.BatchError](err); !ok || len(partial.Failed) != 1 || partial.Failed[1] == nil {
		t.Errorf("bulk: %v", err)
	}
	sink := open(t, httpsink.Options{URL: s.URL, Format: httpsink.Template, Template: row, Join: httpsink.JoinArray, Items: "/items", ItemStatus: "/index/status"})
	if err := sink.Write(t.Context(), batchOf(2)); err == nil || pipeline.IsPermanent(err) {
		t.Errorf("template: %v", err)
	}
}

// TestItemsThatSayConfiguration refuse nothing for good, and permanent= is for items too.
func TestItemsThatSayConfiguration(t *testing.T) {
	for _, test := range []struct {
		kind      string
		permanent []int
		want      bool
	}{{"illegal_argument_exception", nil, false}, {"document_parsing_exception", nil, true}, {"document_parsing_exception", []int{}, false}} {
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = fmt.Fprintf(w, `{"items":[{"index":{"status":400,"error":{"type":%q}}},{"index":{"status":200}}]}`, test.kind)
		})
		err := open(t, httpsink.Options{URL: s.URL, Format: httpsink.Elasticsearch, Permanent: test.permanent}).Write(t.Context(), batchOf(2))
		if partial, ok := errors.AsType[*pipeline.BatchError](err); !ok || pipeline.IsPermanent(partial.Failed[0]) != test.want {
			t.Errorf("%s with %v: %v", test.kind, test.permanent, err)
		}
	}
}

// sent returns the bodies that a sink sends, and the last request.
func sent(t *testing.T, o httpsink.Options, batch ...*pipeline.Change) (bodies []string, last *http.Request) {
	t.Helper()
	var mu sync.Mutex
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		bodies, last = append(bodies, string(text)), r
		_, _ = io.WriteString(w, `{"text":"Success","code":0}`)
	})
	o.URL = s.URL + o.URL
	write(t, open(t, o), batch...)
	mu.Lock()
	defer mu.Unlock()
	return bodies, last
}

// TestClickHouse checks what is sent: there is no server of today's to try.
func TestClickHouse(t *testing.T) {
	bodies, r := sent(t, httpsink.Options{Format: httpsink.ClickHouse, Table: "db.changes"}, pod(`a"`, 1), deleted(pod("b", 2)))
	if len(bodies) != 1 || r.URL.Path != "/" || r.URL.Query().Get("query") != "INSERT INTO db.changes FORMAT JSONEachRow" {
		t.Fatalf("%s: %q", r.URL, bodies)
	}
	lines := strings.Split(strings.TrimSpace(bodies[0]), "\n")
	var row map[string]any
	if err := json.Unmarshal([]byte(lines[0]), &row); err != nil || len(lines) != 2 {
		t.Fatalf("%q: %v", lines, err)
	}
	object, _ := row["object"].(string)
	if row["name"] != `a"` || row["op"] != "updated" || row["sequence"] != 1000000000000001.0 || !strings.HasPrefix(object, `{"kind":"Pod"`) {
		t.Errorf("%v", row)
	}
	for _, table := range []string{"", "a b", "a;DROP TABLE b", "a.b.c", "1a"} {
		if _, err := httpsink.New(httpsink.Options{URL: "http://h", Format: httpsink.ClickHouse, Table: table}); err == nil {
			t.Errorf("table %q is accepted", table)
		}
	}
}

func TestSplunkHasItsOwnScheme(t *testing.T) {
	bodies, r := sent(t, httpsink.Options{Format: httpsink.Splunk, TokenFile: file(t, "token", "t0ken-of-splunk\n")}, pod("a", 1), pod("b", 1))
	if r.Header.Get("Authorization") != "Splunk t0ken-of-splunk" || r.URL.Path != "/services/collector/event" {
		t.Errorf("%s %v", r.URL, r.Header)
	}
	decoder := json.NewDecoder(strings.NewReader(bodies[0]))
	for _, name := range []string{"a", "b"} {
		var e struct {
			Time        json.Number
			Host, Event any
		}
		if err := decoder.Decode(&e); err != nil || e.Time != "1767323045.000000" || e.Host != "alpha" {
			t.Errorf("%+v, %v", e, err)
		}
		text, _ := json.Marshal(e.Event)
		if event, err := pipeline.ParseEvent(text); err != nil || event.Name != name {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestSlackGetsOneMessageForEach(t *testing.T) {
	path := "/services/T000/B000/s3cret-of-slack"
	bodies, r := sent(t, httpsink.Options{Format: httpsink.Slack, PathFile: file(t, "path", path)}, pod("a<b>&", 1), pod("a<b>&", 2))
	if want := `{"text":"updated Pod alpha/pods/ns/a&lt;b&gt;&amp;"}`; len(bodies) != 2 || bodies[0] != want || r.URL.Path != path {
		t.Errorf("%s: %q, want %s", r.URL.Path, bodies, want)
	}
}

func TestLokiHasStreamsOfFewLabels(t *testing.T) {
	bodies, _ := sent(t, httpsink.Options{Format: httpsink.Loki}, pod("a", 1), pod("b", 1))
	var push struct {
		Streams []struct {
			Stream map[string]string
			Values [][2]string
		}
	}
	if err := json.Unmarshal([]byte(bodies[0]), &push); err != nil || len(push.Streams) != 2 {
		t.Fatalf("%s: %v", bodies[0], err)
	}
	s := push.Streams[1]
	if fmt.Sprint(s.Stream) != "map[cluster:alpha job:fairlead namespace:ns resource:pods]" || s.Values[0][0] != "1767323045000000006" {
		t.Errorf("%v", s)
	}
	if e, err := pipeline.ParseEvent([]byte(s.Values[0][1])); err != nil || e.Name != "b" {
		t.Errorf("%v, %v", e, err)
	}
}
