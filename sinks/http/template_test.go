package httpsink_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/fairlead-dev/fairlead/pipeline"
	httpsink "github.com/fairlead-dev/fairlead/sinks/http"
)

const row = `{"who":{{quote .Name}},"what":{{toJson .Op}},"app":{{.Get "metadata" "labels" "app" | toJson}},"n":{{.Sequence}},"o":{{.JSON}}}`

func TestTemplates(t *testing.T) {
	a, b := pod(`a"`, 1), deleted(pod("b\n", 2))
	b.Object = nil
	one := `{"who":"a\"","what":"updated","app":"","n":1000000000000001,"o":` + string(a.Object) + `}`
	two := `{"who":"b\u000a","what":"deleted","app":"","n":1000000000000002,"o":null}`
	for join, want := range map[httpsink.Join][]string{
		httpsink.JoinNone: {one, two}, httpsink.JoinArray: {"[" + one + "," + two + "]"}, httpsink.JoinNDJSON: {one + "\n" + two + "\n"}, httpsink.JoinConcat: {one + two},
	} {
		// One connection, so that two requests come in this order.
		bodies, r := sent(t, httpsink.Options{Format: httpsink.Template, Template: row, Join: join, Connections: 1}, a, b)
		if strings.Join(bodies, "|") != strings.Join(want, "|") {
			t.Errorf("%s: %q\nwant %q", join, bodies, want)
		}
		if got := r.Header.Get("Content-Type"); (got == "application/x-ndjson") != (join == httpsink.JoinNDJSON) {
			t.Errorf("%s: Content-Type %s", join, got)
		}
	}
}

func TestFunctionsOfTemplates(t *testing.T) {
	c := pod("Ä/b", 1)
	c.Object = []byte("{\"metadata\":{\"labels\":{\"app.kubernetes.io/name\":\"x\"}},\n\"n\":12345678901234567890}")
	for text, want := range map[string]string{
		`{{lower .Kind}} {{upper .Kind}}`:                             "pod POD",
		`{{sha256 "abc"}}`:                                            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
		`{{.Get "metadata" "labels" "app.kubernetes.io/name"}}`:       "x",
		`{{.Get "metadata" "name" "deep"}}`:                           "",
		`{{toJson .Object}}`:                                          `{"metadata":{"labels":{"app.kubernetes.io/name":"x"}},"n":12345678901234567890}`,
		`{{.ID}} {{.Source}} {{.UID}} {{.ResourceVersion}}`:           "/v1/pods/u-1/1 /clusters/alpha u-1 1",
		`{{.Cluster}} {{.ClusterUID}} {{.Resource}} {{.Term}}`:        "alpha 6d1f0b1e pods 3",
		`{{.APIVersion}} {{.Namespace}} {{.Name}} {{.Document}}`:      "v1 ns Ä/b alpha/pods/ns/Ä/b",
		`{{unixNano .Observed}} {{unixMilli .Observed}}`:              "1767323045000000006 1767323045000",
		`{{replace "/" "-" .Name}} {{if contains "Ä" .Name}}Ä{{end}}`: "Ä-b Ä",
		`{{.Snapshot}} {{.Tombstone}} {{.Summary}}`:                   "false false updated Pod alpha/pods/ns/Ä/b",
		`{{quote "<é\"\u2028>"}}{{toJson "<&>"}}`:                     "\"<é\\\"\u2028>\"\"<&>\"",
	} {
		bodies, _ := sent(t, httpsink.Options{Format: httpsink.Template, Template: text, ContentType: "text/plain"}, c)
		if bodies[0] != want {
			t.Errorf("%s: %q, want %q", text, bodies[0], want)
		}
	}
}

// TestTemplatesThatAreRefusedAtTheStart fail on a sample.
func TestTemplatesThatAreRefusedAtTheStart(t *testing.T) {
	for text, want := range map[string]string{
		`{{.Nme}}`:                  "Nme",
		`{{`:                        "parse the template",
		`{{nosuch .Name}}`:          "nosuch",
		`{"name":"{{.Name}}"}`:      "not one value of JSON", // as the sample's name has quotes
		`{{.Object.spec.replicas}}`: "deleted Deployment",    // as a deletion may have no object
	} {
		_, err := httpsink.New(httpsink.Options{URL: "http://h", Format: httpsink.Template, Template: text, Join: httpsink.JoinArray})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error with %q", text, err, want)
		}
	}
}

// TestWhatIsSentAsJSONIsJSON: a label that holds quotes adds no members to a message.
func TestWhatIsSentAsJSONIsJSON(t *testing.T) {
	for _, test := range []struct {
		contentType string
		join        httpsink.Join
		template    string
		ok          bool
	}{
		{"", httpsink.JoinNone, `{"text":"{{.Get "metadata" "labels" "a"}}"}`, false},
		{"", httpsink.JoinConcat, `{"text":"{{.Get "metadata" "labels" "a"}}"}`, false},
		{"application/x-ndjson", httpsink.JoinConcat, "{}\n{\"text\":\"{{.Get \"metadata\" \"labels\" \"a\"}}\"}\n", false},
		{"", httpsink.JoinNone, `{"text":{{.Get "metadata" "labels" "a" | quote}}}`, true},
		{"application/x-ndjson", httpsink.JoinConcat, "{}\n{\"text\":{{.Get \"metadata\" \"labels\" \"a\" | quote}}}\n", true},
		{"text/plain", httpsink.JoinNone, `text: {{.Get "metadata" "labels" "a"}}`, true},
	} {
		s := answering(t, 200)
		c := pod("x", 1)
		c.Object = []byte(`{"metadata":{"labels":{"a":"x\" \"channel"}}}`)
		sink := open(t, httpsink.Options{URL: s.URL, Format: httpsink.Template, Template: test.template, Join: test.join, ContentType: test.contentType})
		err := sink.Write(t.Context(), []*pipeline.Change{c})
		if (err == nil) != test.ok || pipeline.IsPermanent(err) {
			t.Errorf("%+v: %v", test, err)
		}
	}
	if _, err := httpsink.New(httpsink.Options{URL: "http://h", Format: httpsink.Template, Template: `{"text":"{{.Name}}"}`}); err == nil {
		t.Error("a name without quotes passes the start")
	}
}

// TestAnObjectThatATemplateFailsOn is refused by itself, and not for good: the template is
// what has to be mended.
func TestAnObjectThatATemplateFailsOn(t *testing.T) {
	for _, join := range []httpsink.Join{httpsink.JoinNone, httpsink.JoinNDJSON} {
		arrived := 0
		s := serve(t, func(_ http.ResponseWriter, r *http.Request) {
			text, _ := io.ReadAll(r.Body)
			arrived += strings.Count(string(text), "fits")
		})
		sink := open(t, httpsink.Options{
			URL: s.URL, Format: httpsink.Template, Join: join, Connections: 1,
			Template: `{{with .Object}}{{if eq .metadata.name "odd"}}{{index .metadata "name" "x"}}{{end}}{{end}}"fits"`,
		})
		err := sink.Write(t.Context(), []*pipeline.Change{pod("a", 1), pod("odd", 1), pod("b", 1)})
		partial, ok := errors.AsType[*pipeline.BatchError](err)
		if !ok || len(partial.Failed) != 1 || partial.Failed[1] == nil || pipeline.IsPermanent(partial.Failed[1]) || arrived != 2 {
			t.Errorf("%s: %v, %d have arrived", join, err, arrived)
		}
	}
}

func TestSuccessOfAnAnswer(t *testing.T) {
	for _, test := range []struct {
		success, answer string
		ok              bool
	}{
		{"/errors=false", `{"errors":false}`, true},
		{"/errors=false", `{"errors":true}`, false},
		{"/errors=false", `{}`, false},
		{"/errors=false", ``, false},
		{"/errors=false", `<html>`, false},
		{"/a~1b/0/n=0", `{"a/b":[{"n":0}]}`, true},
		{"/a~1b/1/n=0", `{"a/b":[{"n":0}]}`, false},
		{"/status=ok", `{"status":"ok"}`, true},
		{"/FailedEntryCount=0", `{"FailedEntryCount":1}`, false},
		{"/error=null", `{"error":null}`, true},
		{"/error=null", `{"error":{}}`, false},
	} {
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, test.answer) })
		sink := open(t, httpsink.Options{URL: s.URL, Format: httpsink.Template, Template: row, Join: httpsink.JoinArray, Success: test.success})
		if err := sink.Write(t.Context(), batchOf(2)); (err == nil) != test.ok || pipeline.IsPermanent(err) {
			t.Errorf("%s of %s: %v", test.success, test.answer, err)
		}
	}
}

func TestItemsOfAnAnswer(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		var all []any
		_ = json.NewDecoder(r.Body).Decode(&all)
		statuses := []string{`{"r":{"s":201}}`, `{"r":{"s":400}}`, `{"r":{"s":"503"}}`, `{"r":{}}`}
		_, _ = io.WriteString(w, `{"results":[`+strings.Join(statuses[:len(all)], ",")+"]}")
	})
	sink := open(t, httpsink.Options{
		URL: s.URL, Format: httpsink.Template, Template: row, Join: httpsink.JoinArray, Items: "/results", ItemStatus: "/r/s",
	})
	err := sink.Write(t.Context(), batchOf(3))
	partial, ok := errors.AsType[*pipeline.BatchError](err)
	if !ok || len(partial.Failed) != 2 || !pipeline.IsPermanent(partial.Failed[1]) || pipeline.IsPermanent(partial.Failed[2]) {
		t.Errorf("%v", err)
	}
	if err := sink.Write(t.Context(), batchOf(4)); err == nil || !strings.Contains(err.Error(), "item 3 of the answer has no status at /r/s") {
		t.Errorf("%v", err)
	}
}
