package httpsink_test

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/testlogs"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
	httpsink "github.com/fairlead-dev/fairlead/sinks/http"
)

// said is an answer of a product, as its documentation has it.
type said struct {
	status int
	body   string
	header http.Header
}

// product is none: it answers as documentation says that a product does, 400 to all else, and
// fails the test if it is sent anything that it would have to keep.
func product(t testing.TB, answers map[string]said) *server {
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		if sent := string(text); sent != "" && sent != `{"streams":[]}` && !strings.HasSuffix(r.URL.Path, "/_has_privileges") {
			t.Errorf("a check sends %s %s %q", r.Method, r.URL.Path, sent)
		}
		a, known := answers[r.Method+" "+r.URL.Path]
		if !known {
			a = said{status: http.StatusBadRequest, body: `{"error":"no handler found for uri"}`}
		}
		for name, values := range a.header {
			w.Header()[name] = values
		}
		w.WriteHeader(a.status)
		_, _ = io.WriteString(w, a.body)
	})
}

// TestCheckOfProducts is against servers that answer as the vendors' documentation says: what is
// wrong is named, and what is not known for certain is not.
func TestCheckOfProducts(t *testing.T) {
	const bulk, rights, mapping = "POST /_bulk", "POST /_security/user/_has_privileges", "GET /fairlead/_mapping"
	const push, collect, insert, columns, hook = "POST /loki/api/v1/push", "POST /services/collector/event", "POST /", "GET /", "POST /services/T0/B0/c4nary"
	elastic := func(more map[string]said) map[string]said {
		more[bulk] = said{status: 400, body: `{"error":{"type":"parse_exception","reason":"request body is required"},"status":400}`}
		return more
	}
	has := func(text string) said {
		return said{status: 200, body: `{"username":"c","has_all_requested":false,"cluster":{},"index":{"fairlead":{` + text + `}},"application":{}}`}
	}
	all := has(`"index":true,"delete":true,"create_index":true,"auto_configure":true`)
	noIndex := said{status: 404, body: `{"error":{"root_cause":[],"type":"index_not_found_exception","index":"fairlead"},"status":404}`}
	mapped := func(text string) said { return said{status: 200, body: `{"fairlead":{"mappings":{` + text + `}}}`} }
	fails := func(status int, code string) said {
		return said{status: status, body: "Code: " + code + ". DB::Exception: as it were", header: http.Header{"X-Clickhouse-Exception-Code": {code}}}
	}
	ok := said{status: 200}

	for name, test := range map[string]struct {
		format  httpsink.Format
		answers map[string]said
		wrong   string // what the error says
		caution string // or the caution
	}{
		"elasticsearch":                       {"elasticsearch", elastic(map[string]said{rights: all, mapping: mapped(`"dynamic":"false","properties":{"object":{"type":"object","enabled":false}}`)}), "", ""},
		"elasticsearch, flattened":            {"elasticsearch", elastic(map[string]said{mapping: mapped(`"properties":{"object":{"type":"flattened","depth_limit":40}}`)}), "", ""},
		"elasticsearch that tells nothing":    {"elasticsearch", elastic(map[string]said{}), "", ""},
		"elasticsearch that forbids to ask":   {"elasticsearch", elastic(map[string]said{rights: {status: 403}, mapping: {status: 403}}), "", ""},
		"elasticsearch, answers of another":   {"elasticsearch", elastic(map[string]said{rights: {status: 200, body: `[]`}, mapping: {status: 200, body: `{}`}}), "", ""},
		"elasticsearch, an alias of two":      {"elasticsearch", elastic(map[string]said{mapping: {status: 200, body: `{"a":{"mappings":{}},"b":{"mappings":{}}}`}}), "", ""},
		"elasticsearch, another 404":          {"elasticsearch", elastic(map[string]said{mapping: {status: 404, body: `not here`}}), "", ""},
		"elasticsearch, no privilege":         {"elasticsearch", elastic(map[string]said{rights: has(`"index":true,"delete":false`)}), `user "c" lacks the privilege delete on index fairlead`, ""},
		"elasticsearch, no privileges":        {"elasticsearch", elastic(map[string]said{rights: has(`"index":false,"delete":false`)}), `lacks the privilege index and delete`, ""},
		"elasticsearch, no index":             {"elasticsearch", elastic(map[string]said{rights: all, mapping: noIndex}), "", "there is no index fairlead"},
		"elasticsearch, none may be made":     {"elasticsearch", elastic(map[string]said{rights: has(`"index":true,"delete":true,"create_index":false,"auto_configure":false`), mapping: noIndex}), `user "c" may not make it`, ""},
		"elasticsearch, made on write":        {"elasticsearch", elastic(map[string]said{rights: has(`"index":true,"delete":true,"create_index":false,"auto_configure":true`), mapping: noIndex}), "", "there is no index fairlead"},
		"elasticsearch, no mapping":           {"elasticsearch", elastic(map[string]said{mapping: mapped("")}), "", "has no field object"},
		"elasticsearch, a mapping by objects": {"elasticsearch", elastic(map[string]said{mapping: mapped(`"properties":{"object":{"properties":{"spec":{}}}}`)}), "", "has fields for what is within object"},
		"elasticsearch, a strict mapping":     {"elasticsearch", elastic(map[string]said{mapping: mapped(`"dynamic":"strict","properties":{"id":{}}`)}), "is strict and has no field op", ""},
		"elasticsearch, credentials":          {"elasticsearch", map[string]said{bulk: {status: 401, body: `unable to authenticate user`}}, "401 Unauthorized; check token-file", ""},
		"elasticsearch, a path":               {"elasticsearch", map[string]said{bulk: {status: 404}}, "404 Not Found; check the path", ""},
		"elasticsearch, moved":                {"elasticsearch", map[string]said{bulk: {status: 301, header: http.Header{"Location": {"https://h/"}}}}, "redirects are not followed", ""},
		"elasticsearch behind what is down":   {"elasticsearch", map[string]said{bulk: {status: 503}}, "503 Service Unavailable", ""},

		"loki":                  {"loki", map[string]said{push: {status: 204}}, "", ""},
		"loki, newer":           {"loki", map[string]said{push: {status: 422, body: "error at least one valid stream is required for ingestion"}}, "", ""},
		"loki, no tenant":       {"loki", map[string]said{push: {status: 401, body: "no org id"}}, "401 Unauthorized; check token-file, or user and password-file, or header-file, or cert: no org id", ""},
		"loki, busy":            {"loki", map[string]said{push: {status: 429}}, "", ""},
		"loki on a path of VM":  {"loki", map[string]said{push: {status: 400, body: `unsupported path requested: "/"`}}, "check the path of the URL", ""},
		"loki, another failure": {"loki", map[string]said{push: {status: 500}}, "", ""},

		"splunk":                      {"splunk", map[string]said{collect: {status: 400, body: `{"text":"No data","code":5}`}}, "", ""},
		"splunk, no token":            {"splunk", map[string]said{collect: {status: 401, body: `{"text":"Token is required","code":2}`}}, "check token-file", ""},
		"splunk, an unknown token":    {"splunk", map[string]said{collect: {status: 403, body: `{"text":"Invalid token","code":4}`}}, "does not know the token: check token-file", ""},
		"splunk, a disabled token":    {"splunk", map[string]said{collect: {status: 403, body: `{"text":"Token disabled","code":1}`}}, "the token is disabled", ""},
		"splunk with acknowledgments": {"splunk", map[string]said{collect: {status: 400, body: `{"text":"Data channel is missing","code":10}`}}, "turn indexer acknowledgment of the token off", ""},
		"splunk, an index":            {"splunk", map[string]said{collect: {status: 400, body: `{"text":"Incorrect index","code":7,"invalid-event-number":0}`}}, "allowed indexes", ""},
		"splunk, a bad answer":        {"splunk", map[string]said{collect: {status: 400, body: `<html>`}}, "", ""},

		"clickhouse":                   {"clickhouse", map[string]said{insert: ok, columns: {status: 200, body: "id\tString\t\t\nname\tString\t\t\n"}}, "", ""},
		"clickhouse, may not describe": {"clickhouse", map[string]said{insert: ok, columns: fails(403, "497")}, "", ""},
		"clickhouse, another table":    {"clickhouse", map[string]said{insert: ok, columns: {status: 200, body: "a\tString\t\t\nb\tString\t\t\n"}}, "", "table t has no column"},
		"clickhouse, no table":         {"clickhouse", map[string]said{insert: fails(404, "60")}, "create the table", ""},
		"clickhouse, no database":      {"clickhouse", map[string]said{insert: fails(404, "81")}, "create the database", ""},
		"clickhouse 18.16, no table":   {"clickhouse", map[string]said{insert: {status: 404, body: "Code: 60, e.displayText() = DB::Exception: Table default.t doesn't exist., e.what() = DB::Exception"}}, "create the table", ""},
		"clickhouse, no right":         {"clickhouse", map[string]said{insert: fails(403, "497")}, "GRANT INSERT", ""},
		"clickhouse, a password":       {"clickhouse", map[string]said{insert: fails(403, "516")}, "check user and password-file", ""},
		"clickhouse, only to read":     {"clickhouse", map[string]said{insert: fails(500, "164")}, "the user may only read", ""},
		"clickhouse, a lost replica":   {"clickhouse", map[string]said{insert: fails(500, "242")}, "the table is read-only", ""},
		"clickhouse, something else":   {"clickhouse", map[string]said{insert: fails(500, "241")}, "", ""},

		"slack":                {"slack", map[string]said{hook: {status: 400, body: "invalid_payload"}}, "", ""},
		"slack, no webhook":    {"slack", map[string]said{hook: {status: 404, body: "no_service"}}, "there is no such webhook any more", ""},
		"slack, not permitted": {"slack", map[string]said{hook: {status: 403, body: "action_prohibited"}}, "does not let the webhook post", ""},
		"slack, archived":      {"slack", map[string]said{hook: {status: 410, body: "channel_is_archived"}}, "the channel is archived", ""},

		"victorialogs":             {"victorialogs", map[string]said{"POST /insert/jsonline": ok}, "", ""},
		"victorialogs, no route":   {"victorialogs", map[string]said{"POST /insert/jsonline": {status: 400, body: "missing route"}}, "missing route", ""},
		"cloudevents":              {"structured", map[string]said{"OPTIONS /": {status: 200, header: http.Header{"Allow": {"OPTIONS, POST"}}}}, "", ""},
		"cloudevents, no methods":  {"batch", map[string]said{"OPTIONS /": {status: 204}}, "", ""},
		"cloudevents, no POST":     {"batch", map[string]said{"OPTIONS /": {status: 204, header: http.Header{"Allow": {"GET", "HEAD"}}}}, "", "takes GET,HEAD and no POST"},
		"cloudevents, one route's": {"batch", map[string]said{"OPTIONS /": {status: 405, header: http.Header{"Allow": {"GET"}}}}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			o := httpsink.Options{URL: product(t, test.answers).URL, Format: test.format}
			switch test.format {
			case httpsink.ClickHouse:
				o.Table = "t"
			case httpsink.Slack:
				o.PathFile = file(t, "path", "/services/T0/B0/c4nary")
			case httpsink.Structured, httpsink.Batch:
				o.URL += "/"
			}
			err := open(t, o).Check(t.Context())
			switch want := cmp.Or(test.wrong, test.caution); {
			case (err == nil) != (want == ""), err != nil && !strings.Contains(err.Error(), want):
				t.Errorf("%v, want %q", err, want)
			case sinks.IsCaution(err) != (test.caution != ""):
				t.Errorf("whether it is a caution: %v: %v", sinks.IsCaution(err), err)
			case strings.Contains(fmt.Sprint(err), "c4nary"):
				t.Errorf("it shows a secret: %v", err)
			}
		})
	}
}

// TestWhatIsAboutTheSetUpRefusesNothing for good, whatever its status is.
func TestWhatIsAboutTheSetUpRefusesNothing(t *testing.T) {
	for answer, want := range map[string]bool{
		`{"text":"Data channel is missing","code":10}`: false, `{"text":"Incorrect index","code":7}`: false,
		`unsupported path requested: "/x"`: false, `{"text":"Invalid data format","code":6}`: true, `no JSON`: true,
	} {
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, answer)
		})
		err := open(t, httpsink.Options{URL: s.URL, Format: httpsink.Splunk}).Write(t.Context(), batchOf(1))
		if err == nil || pipeline.IsPermanent(err) != want {
			t.Errorf("%s: %v", answer, err)
		}
	}
}

// TestACheckIsSentAsAWriteIs: with the credentials, signed and compressed.
func TestACheckIsSentAsAWriteIs(t *testing.T) {
	var mu sync.Mutex
	var got []http.Header
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, r.Header)
	})
	for _, o := range []httpsink.Options{{Gzip: true}, {SecretFile: file(t, "secret", "whsec_"+strings.Repeat("QUFB", 8))}} {
		o.URL, o.Format, o.TokenFile = s.URL, httpsink.VictoriaLogs, file(t, "token", "t0k")
		if err := open(t, o).Check(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if len(got) != 2 || got[0].Get("Content-Encoding") != "gzip" || got[1].Get("Webhook-Signature") == "" ||
		got[0].Get("Authorization") != "Bearer t0k" || got[0].Get("Content-Type") != "application/stream+json" {
		t.Errorf("%v", got)
	}
}

// TestAStatementOfOnesOwnIsNotTried: it may make a row of none.
func TestAStatementOfOnesOwnIsNotTried(t *testing.T) {
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodOptions {
			t.Errorf("%s %s", r.Method, r.URL)
		}
	})
	o := httpsink.Options{URL: s.URL + "?query=INSERT+INTO+t+SELECT+count()+FROM+input()", Format: httpsink.ClickHouse, Table: "t"}
	if err := open(t, o).Check(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestCheckOfVictoriaLogs is against a real one, which takes four formats: a check leaves no
// entry, and tells of a wrong password and of a wrong path.
func TestCheckOfVictoriaLogs(t *testing.T) {
	free := testlogs.StartVictoriaLogs(t)
	closed := testlogs.StartVictoriaLogs(t, "-httpAuth.username=u", "-httpAuth.password=s3cret")
	for format, path := range map[httpsink.Format]string{
		httpsink.VictoriaLogs: "/insert/jsonline", httpsink.Loki: "/insert/loki/api/v1/push",
		httpsink.Splunk: "/insert/splunk/services/collector/event", httpsink.Elasticsearch: "/insert/elasticsearch/_bulk",
	} {
		for _, test := range []struct {
			url, password, wrong string
		}{
			{free.URL + path, "", ""},
			{closed.URL + path, "s3cret", ""},
			{closed.URL + path, "an0ther", "401 Unauthorized"},
			{free.URL + path + "/wrong", "", "check the path of the URL"},
		} {
			o := httpsink.Options{URL: test.url, Format: format}
			if test.password != "" {
				o.User, o.PasswordFile = "u", file(t, "password", test.password)
			}
			sink := open(t, o)
			if err := sink.Check(t.Context()); (err == nil) != (test.wrong == "") || err != nil && (sinks.IsCaution(err) || !strings.Contains(err.Error(), test.wrong)) {
				t.Errorf("%s at %s: %v", format, test.url, err)
			}
			if test.wrong != "" {
				if err := sink.Write(t.Context(), batchOf(2)); err == nil || pipeline.IsPermanent(err) {
					t.Errorf("%s at %s: Write: %v", format, test.url, err)
				}
			}
		}
	}
	if found := free.All(t, "*"); len(found) != 0 {
		t.Errorf("checks leave %v", found)
	}
}
