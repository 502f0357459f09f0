package httpsink_test

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
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
// fails the test if it is sent anything that it might have to keep, or that only Elasticsearch
// knows.
func product(t testing.TB, answers map[string]said) *server {
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		if sent := string(text); sent != "" && sent != `{"streams":[]}` && !strings.HasSuffix(r.URL.Path, "/_has_privileges") {
			t.Errorf("a check sends %s %s %q", r.Method, r.URL.Path, sent)
		}
		switch query := r.FormValue("query"); {
		case strings.HasPrefix(r.URL.Path, "/services/T0") && r.Method != http.MethodOptions, strings.Contains(query, "INSERT") && !strings.HasPrefix(query, "CHECK GRANT "):
			t.Errorf("a check sends %s %s", r.Method, r.URL)
		case strings.HasPrefix(r.URL.Path, "/_security/") && answers["POST /_bulk"].header == nil:
			t.Errorf("a check asks for %s of what may be OpenSearch", r.URL.Path)
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
	const push, collect, columns, grant, hook = "POST /loki/api/v1/push", "POST /services/collector/event", "GET /", "POST /", "OPTIONS /services/T0/B0/c4nary"
	const noActions = `{"error":{"type":"parse_exception","reason":"request body is required"},"status":400}`
	elastic := func(more map[string]said) map[string]said {
		more[bulk] = said{status: 400, body: noActions, header: http.Header{"X-Elastic-Product": {"Elasticsearch"}}}
		return more
	}
	other := func(answer string, more map[string]said) map[string]said { // OpenSearch, or neither
		more[bulk] = said{status: 400, body: answer}
		return more
	}
	has := func(text string) said {
		return said{status: 200, body: `{"username":"c","has_all_requested":false,"cluster":{},"index":{"fairlead":{` + text + `}},"application":{}}`}
	}
	all := has(`"index":true,"delete":true,"create_index":true,"auto_configure":true`)
	noIndex := said{status: 404, body: `{"error":{"root_cause":[],"type":"index_not_found_exception","index":"fairlead"},"status":404}`}
	mapped := func(text string) said { return said{status: 200, body: `{"fairlead":{"mappings":{` + text + `}}}`} }
	object := func(text string) said { return mapped(`"properties":{"object":{` + text + `}}`) }
	strict := func(names ...string) said {
		return mapped(`"dynamic":"strict","properties":{"object":{"type":"flattened"},"` + strings.Join(names, `":{},"`) + `":{}}`)
	}
	must := []string{"id", "op", "cluster", "resource", "api_version", "kind", "name"}
	should := append([]string{"cluster_uid", "namespace", "uid", "resource_version", "term", "sequence", "snapshot", "@timestamp"}, must...)
	fails := func(status int, code string) said {
		return said{status: status, body: "Code: " + code + ". DB::Exception: as it were", header: http.Header{"X-Clickhouse-Exception-Code": {code}}}
	}
	ok := said{status: 200}
	is := http.Header{"X-Clickhouse-Query-Id": {"q"}}
	ours, no, yes := said{200, "id\tString\t\t\nname\tString\t\t\n", is}, said{200, "0\n", is}, said{200, "1\n", is}

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
		"elasticsearch, may not see":          {"elasticsearch", elastic(map[string]said{rights: has(`"index":true,"delete":true,"view_index_metadata":false`), mapping: object(`"type":"text"`)}), "", ""},
		"elasticsearch, may see":              {"elasticsearch", elastic(map[string]said{rights: has(`"index":true,"delete":true,"view_index_metadata":true`), mapping: object(`"type":"text"`)}), "has the type text for the field object", ""},
		"elasticsearch, no mapping":           {"elasticsearch", elastic(map[string]said{mapping: mapped("")}), "", "has no field object"},
		"elasticsearch, a mapping by objects": {"elasticsearch", elastic(map[string]said{mapping: object(`"properties":{"spec":{}}`)}), "", "has fields for what is within object"},
		"elasticsearch, a strict mapping":     {"elasticsearch", elastic(map[string]said{mapping: strict("id")}), "is strict and has no field op", ""},
		"elasticsearch, some documents":       {"elasticsearch", elastic(map[string]said{mapping: strict(must...)}), "", "no field cluster_uid, so that it refuses documents that have it"},
		"elasticsearch, all of a document":    {"elasticsearch", elastic(map[string]said{mapping: strict(should...)}), "", ""},
		"elasticsearch, a number":             {"elasticsearch", elastic(map[string]said{mapping: object(`"type":"long"`)}), "has the type long", ""},
		"elasticsearch, or none":              {"elasticsearch", elastic(map[string]said{mapping: object(`"type":"long","ignore_malformed":true`)}), "", ""},
		"elasticsearch, nothing within":       {"elasticsearch", elastic(map[string]said{mapping: mapped(`"enabled":false`)}), "", ""},
		"elasticsearch, templates":            {"elasticsearch", elastic(map[string]said{mapping: mapped(`"dynamic_templates":[{"o":{"match":"object","mapping":{"enabled":false}}}]`)}), "", ""},
		"elasticsearch, dynamic of later":     {"elasticsearch", elastic(map[string]said{mapping: mapped(`"dynamic":"strict_allow_templates","properties":{"object":{"properties":{"a":{}}}}`)}), "", ""},
		"elasticsearch, a field of later":     {"elasticsearch", elastic(map[string]said{mapping: object(`"type":"of_later"`)}), "", ""},
		"opensearch":                          {"elasticsearch", other(noActions, map[string]said{mapping: object(`"type":"flat_object"`)}), "", ""},
		"opensearch, no mapping":              {"elasticsearch", other(noActions, map[string]said{mapping: mapped("")}), "", "has no field object"},
		"none of both":                        {"elasticsearch", other(`{"error":"no body"}`, map[string]said{mapping: object(`"type":"text"`)}), "", ""},
		"none of both, 200":                   {"elasticsearch", map[string]said{bulk: {status: 200, body: noActions}, mapping: object(`"type":"text"`)}, "", ""},
		"elasticsearch, credentials":          {"elasticsearch", map[string]said{bulk: {status: 401, body: `unable to authenticate user`}}, "401 Unauthorized; check token-file", ""},
		"elasticsearch, a path":               {"elasticsearch", map[string]said{bulk: {status: 404}}, "404 Not Found; check the path", ""},
		"elasticsearch, moved":                {"elasticsearch", map[string]said{bulk: {status: 301, header: http.Header{"Location": {"https://h/"}}}}, "redirects are not followed", ""},
		"elasticsearch behind what is down":   {"elasticsearch", map[string]said{bulk: {status: 503}}, "503 Service Unavailable", ""},

		"loki":                  {"loki", map[string]said{push: {status: 204}}, "", ""},
		"loki, newer":           {"loki", map[string]said{push: {status: 422, body: "error at least one valid stream is required for ingestion"}}, "", ""},
		"loki, no tenant":       {"loki", map[string]said{push: {status: 401, body: "no org id"}}, "401 Unauthorized; check token-file, or user and password-file, or header-file, or cert: no org id", ""},
		"loki, busy":            {"loki", map[string]said{push: {status: 429}}, "", ""},
		"loki on a path of VM":  {"loki", map[string]said{push: {status: 400, body: `unsupported path requested: "/"`}}, "check the path of the URL", ""},
		"loki on a route of VM": {"loki", map[string]said{push: {status: 400, body: `missing route for "http://h/x"`}}, "check the path of the URL", ""},
		"loki, an echo":         {"loki", map[string]said{push: {status: 400, body: `cannot parse "unsupported path requested: "`}}, "", ""},
		"loki, another failure": {"loki", map[string]said{push: {status: 500}}, "", ""},

		"splunk":                      {"splunk", map[string]said{collect: {status: 400, body: `{"text":"No data","code":5}`}}, "", ""},
		"splunk, no token":            {"splunk", map[string]said{collect: {status: 401, body: `{"text":"Token is required","code":2}`}}, "check token-file", ""},
		"splunk, an unknown token":    {"splunk", map[string]said{collect: {status: 403, body: `{"text":"Invalid token","code":4}`}}, "does not know the token: check token-file", ""},
		"splunk, a disabled token":    {"splunk", map[string]said{collect: {status: 403, body: `{"text":"Token disabled","code":1}`}}, "the token is disabled", ""},
		"splunk with acknowledgments": {"splunk", map[string]said{collect: {status: 400, body: `{"text":"Data channel is missing","code":10}`}}, "turn indexer acknowledgment of the token off", ""},
		"splunk, an index":            {"splunk", map[string]said{collect: {status: 400, body: `{"text":"Incorrect index","code":7,"invalid-event-number":0}`}}, "allowed indexes", ""},
		"splunk, no token in queries": {"splunk", map[string]said{collect: {status: 400, body: `{"text":"Query string authorization is not enabled","code":16}`}}, "allowQueryStringAuth", ""},
		"splunk, no acknowledgments":  {"splunk", map[string]said{collect: {status: 400, body: `{"text":"ACK is disabled","code":14}`}}, "", ""},
		"splunk, a bad answer":        {"splunk", map[string]said{collect: {status: 400, body: `<html>`}}, "", ""},

		"clickhouse":                    {"clickhouse", map[string]said{columns: ours, grant: yes}, "", ""},
		"clickhouse, older":             {"clickhouse", map[string]said{columns: ours, grant: fails(400, "62")}, "", ""},
		"clickhouse, may not describe":  {"clickhouse", map[string]said{columns: fails(403, "497"), grant: yes}, "", ""},
		"clickhouse, may do nothing":    {"clickhouse", map[string]said{columns: fails(403, "497"), grant: no}, "", "GRANT INSERT ON t TO it"},
		"clickhouse, another table":     {"clickhouse", map[string]said{columns: {200, "a\tString\t\t\nb\tString\t\t\n", is}, grant: yes}, "", "table t has no column"},
		"clickhouse, no table":          {"clickhouse", map[string]said{columns: fails(404, "60")}, "create the table", ""},
		"clickhouse, no database":       {"clickhouse", map[string]said{columns: fails(404, "81")}, "create the database", ""},
		"clickhouse 18.16, no table":    {"clickhouse", map[string]said{columns: {status: 404, body: "Code: 60, e.displayText() = DB::Exception: Table default.t doesn't exist., e.what() = DB::Exception"}}, "create the table", ""},
		"clickhouse, no right":          {"clickhouse", map[string]said{columns: ours, grant: no}, "", "GRANT INSERT ON t TO it"},
		"clickhouse, a password":        {"clickhouse", map[string]said{columns: fails(403, "516")}, "check user and password-file", ""},
		"clickhouse, moved":             {"clickhouse", map[string]said{columns: {status: 307}}, "redirects are not followed", ""},
		"clickhouse, something else":    {"clickhouse", map[string]said{columns: fails(500, "241")}, "", ""},
		"clickhouse, only by GET":       {"clickhouse", map[string]said{columns: fails(500, "164")}, "", ""},
		"clickhouse, that is no server": {"clickhouse", map[string]said{columns: {status: 200, body: "a\tb\n"}, grant: {status: 200, body: "0"}}, "", ""},

		"slack":                     {"slack", map[string]said{}, "", ""},
		"slack, moved":              {"slack", map[string]said{hook: {status: 302}}, "redirects are not followed", ""},
		"slack of which none knows": {"slack", map[string]said{hook: {status: 404, body: "no_service"}}, "", ""},

		"victorialogs":             {"victorialogs", map[string]said{"POST /insert/jsonline": ok}, "", ""},
		"victorialogs, no route":   {"victorialogs", map[string]said{"POST /insert/jsonline": {status: 400, body: `missing route for "http://h/"`}}, "check the path of the URL", ""},
		"victorialogs, no body":    {"victorialogs", map[string]said{"POST /insert/jsonline": {status: 400, body: "no body"}}, "", ""},
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

// TestWhatIsAboutTheSetUpRefusesNothing for good, whatever its status is, unless somebody has said
// that this status does.
func TestWhatIsAboutTheSetUpRefusesNothing(t *testing.T) {
	for answer, want := range map[string]bool{
		`{"text":"Data channel is missing","code":10}`: false, `{"text":"Incorrect index","code":7}`: false, `{"code":16}`: false,
		`unsupported path requested: "/x"`: false, `{"text":"Invalid data format","code":6}`: true, `no JSON`: true, `{"code":14}`: true,
		`cannot parse "unsupported path requested: "`: true,
	} {
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, answer)
		})
		for _, o := range []httpsink.Options{{}, {Permanent: []int{http.StatusBadRequest}}} {
			o.URL, o.Format = s.URL, httpsink.Splunk
			err := open(t, o).Write(t.Context(), batchOf(1))
			if want := want || o.Permanent != nil; err == nil || pipeline.IsPermanent(err) != want {
				t.Errorf("%s, permanent %v: %v", answer, o.Permanent, err)
			}
		}
	}
}

// TestWhatSlackSays of a webhook is told with what to do, and what another server says is not.
func TestWhatSlackSays(t *testing.T) {
	for answer, want := range map[string]string{
		"action_prohibited": "does not let the webhook post", "invalid_token": "there is no such webhook any more", "no_service": "there is no such webhook any more",
		"channel_not_found\n": "there is no such webhook any more", "team_disabled": "the workspace is disabled", "channel_is_archived": "the channel is archived",
		"<html>": "the credentials are known and may not do this", "": "the credentials are known and may not do this",
	} {
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, answer)
		})
		o := httpsink.Options{URL: s.URL, Format: httpsink.Slack, PathFile: file(t, "path", "/services/T0/B0/c4nary")}
		err := open(t, o).Write(t.Context(), batchOf(1))
		if err == nil || pipeline.IsPermanent(err) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", answer, err, want)
		}
	}
}

// TestACheckWaitsAsWritesDo: while a Retry-After lasts, nothing is asked.
func TestACheckWaitsAsWritesDo(t *testing.T) {
	var requests atomic.Int64
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		w.Header().Set("Retry-After", "600")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	sink := open(t, httpsink.Options{URL: s.URL, Format: httpsink.Loki})
	if err := sink.Write(t.Context(), batchOf(1)); err == nil {
		t.Fatal("429 is no error")
	}
	if err := sink.Check(t.Context()); !sinks.IsCaution(err) || !strings.Contains(err.Error(), "it was not asked") || !strings.Contains(err.Error(), "429") {
		t.Error(err)
	}
	if n := requests.Load(); n != 1 {
		t.Errorf("%d requests, want 1", n)
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

// TestAStatementOfOnesOwnIsNotTried, nor is another path, which may have one: it may make a row of
// none.
func TestAStatementOfOnesOwnIsNotTried(t *testing.T) {
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodOptions {
			t.Errorf("%s %s", r.Method, r.URL)
		}
	})
	for _, of := range []string{"?query=INSERT+INTO+t+SELECT+count()+FROM+input()", "/in"} {
		if err := open(t, httpsink.Options{URL: s.URL + of, Format: httpsink.ClickHouse, Table: "t"}).Check(t.Context()); err != nil {
			t.Error(err)
		}
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
