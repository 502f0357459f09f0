package httpsink_test

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
	httpsink "github.com/fairlead-dev/fairlead/sinks/http"
)

var kinds = sinks.Kinds{httpsink.Kind(), httpsink.SecureKind()}

func TestKinds(t *testing.T) {
	if err := kinds.Table().Validate(); err != nil {
		t.Error(err)
	}
	path, template := file(t, "path", "/services/x"), file(t, "template", "{{.Event}}")
	for text, want := range map[string]string{
		"http://H1:8080/In?timeout=5s":                                                  "http://h1:8080/In",
		"https://h":                                                                     "https://h",
		"https://h/?connections=9":                                                      "https://h",
		"https://h/a%2Fb?query=x=1,y=a%2Cb":                                             "https://h/a%2Fb",
		"http://[::1]:80/x?format=elasticsearch&index=i":                                "http://[::1]:80/x?format=elasticsearch&index=i",
		"https://h?format=clickhouse&table=d.t":                                         "https://h?format=clickhouse&table=d.t",
		"https://hooks.slack.com?format=slack&path-file=" + path + "&name=chat":         "chat",
		"http://h?format=template&template-file=" + template + "&join=ndjson&gzip=true": "http://h?format=template&template-file=" + template,
		"http://h/in/":                  "http://h/in/",
		"http://h?format=batch":         "http://h",
		"http://h?format=loki":          "http://h?format=loki",
		"http://h?path-file=" + path:    "http://h?path-file=" + path,
		"http://h?format=elasticsearch": "http://h?format=elasticsearch&index=fairlead",
		"http://h?permanent=none":       "http://h",
	} {
		s, err := kinds.Parse(text)
		if err != nil || s.Identity != want {
			t.Errorf("%s: %+v, %v, want %s", text, s, err, want)
			continue
		}
		sink, err := s.Open(t.Context(), sinks.Env{UserAgent: "fairlead/1"})
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if err := sink.(io.Closer).Close(); err != nil {
			t.Error(err)
		}
	}
	for text, wants := range map[string][]string{
		"http:h":                          {"two slashes must follow"},
		"http://a,b/x":                    {"several hosts are given"},
		"http://u:s3cret@h":               {"give user and password-file"},
		"http://u@h":                      {"takes no credential", "what stands before the @"},
		"http://h?token=s3cret":           {"give user and password-file"},
		"http://h?query=api_token=s3cret": {"looks like a credential"},
		"http://h?query=s3cret":           {"is no NAME=VALUE"},
		"http://h?ca=/x":                  {"parameter ca is unknown"},
		"https://h?cert=/x":               {"cert is given without key"},
		"http://h?user=u":                 {"user and password-file go together"},
		"http://h?user=u&password-file=/x&token-file=/y":                {"two ways to authenticate"},
		"http://h?format=clickhouse":                                    {"needs a table"},
		"http://h?format=clickhouse&table=t%3BDROP":                     {"needs a table"},
		"http://h?table=t":                                              {"table is for format=clickhouse"},
		"http://h?format=template":                                      {"template-file go together"},
		"http://h?format=elasticsearch&index=Upper":                     {"index is none of Elasticsearch"},
		"http://h?join=array":                                           {"are for format=template"},
		"http://h?format=template&template-file=/x&items=/a":            {"items and item-status go together"},
		"http://h?format=template&template-file=/x&success=errors":      {"no POINTER=VALUE", "begin with a slash"},
		"https://hooks.slack.com/services/T0/B0/s3cret?format=slack":    {"the path of a webhook of Slack is a credential"},
		"https://h/x?path-file=/y":                                      {"path-file holds the path"},
		"http://h?gzip=true&secret-file=/x":                             {"gzip and secret-file do not go together"},
		"http://h?format=binary&secret-file=/x":                         {"use format=structured or format=batch"},
		"http://h?format=clickhouse&table=t&path-file=/x":               {"path-file would replace"},
		"http://h?query=sig=s3cret":                                     {"looks like a credential"},
		"http://h?query=Code=s3cret":                                    {"looks like a credential"},
		"http://h?permanent=200,x":                                      {`"x" is no status`},
		"http://h?permanent=200":                                        {"200 is no status of an error"},
		"http://h?content-type=a%0Ab":                                   {"content-type has a character"},
		"http://h?format=nosuch&connections=0&timeout=0s&max-bytes=1Pi": {"none of structured", "connections", "timeout", "max-bytes"},
	} {
		_, err := kinds.Parse(text)
		found := 0
		for _, want := range wants {
			if err != nil && strings.Contains(err.Error(), want) {
				found++
			}
		}
		if found == 0 || found < len(wants) && text != "http://u@h" {
			t.Errorf("%s: %v, want an error with %q", text, err, wants)
		}
		if err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: the error shows a credential: %v", text, err)
		}
	}
}

// TestOpenTellsOfFiles: a template is read at the start, and nothing else: credentials may come
// later.
func TestOpenTellsOfFiles(t *testing.T) {
	for text, want := range map[string]string{
		"http://h?token-file=/nowhere":                    "",
		"http://h?header-file=/nowhere":                   "",
		"https://h?ca=/nowhere&cert=/nowhere&key=/no":     "",
		"http://h?format=template&template-file=/nowhere": "template-file: ",
		"http://127.0.0.1:1/is/not/reached":               "",
	} {
		s, err := kinds.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		sink, err := s.Open(t.Context(), sinks.Env{})
		if (err == nil) != (want == "") || err != nil && (!strings.Contains(err.Error(), want) || sink != nil) {
			t.Errorf("%s: %v, %v", text, sink, err)
		}
	}
}

// TestSpecs: formats with one change in each request take few at a time.
func TestSpecs(t *testing.T) {
	for text, want := range map[string]int{
		"http://h?max-batch=7000": 64, "http://h?format=binary": 64, "http://h?format=batch": 500, "http://h?format=loki&max-batch=7000": 7000,
	} {
		s, err := kinds.Parse(text + map[bool]string{true: "&", false: "?"}[strings.Contains(text, "?")] + "connections=7")
		if err != nil || s.MaxBatch != want || s.Concurrency != 7 || s.MaxBytes != 4<<20 {
			t.Errorf("%s: %+v, %v", text, s, err)
		}
	}
	var _ pipeline.Sink = (*httpsink.Sink)(nil)
	var _ sinks.Checker = (*httpsink.Sink)(nil)
}

// TestThePathIsAsItWasWritten: servers tell /hook/ from /hook.
func TestThePathIsAsItWasWritten(t *testing.T) {
	var path atomic.Value
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) { path.Store(r.URL.EscapedPath()) })
	for _, want := range []string{"/hook/", "/hook", "/a%2Fb/"} {
		spec, err := kinds.Parse(s.URL + want)
		if err != nil {
			t.Fatal(err)
		}
		sink, err := spec.Open(t.Context(), sinks.Env{})
		if err != nil {
			t.Fatal(err)
		}
		write(t, sink, pod("a", 1))
		if path.Load() != want {
			t.Errorf("posted to %v, want %s", path.Load(), want)
		}
		_ = sink.(io.Closer).Close()
	}
}
