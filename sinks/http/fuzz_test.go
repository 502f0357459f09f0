package httpsink

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// FuzzRetryAfter: whatever a server asks for, it is a delay of at most ten minutes and a
// tenth.
func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"", "0", "7", "601", "86400", "9999999999", "9223372036854775807", "-1", "+1", "1e3", "99999999999999999999999", "Wed, 21 Oct 2015 07:28:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", " 3 ", "٣"} {
		f.Add(s)
	}
	now := time.Unix(1445412400, 0)
	f.Fuzz(func(t *testing.T, value string) {
		d, ok := parseRetryAfter(value, now)
		if d < 0 || d > mostPatience+mostPatience/10 || ok != (d > 0) {
			t.Errorf("%q: %v, %v", value, d, ok)
		}
	})
}

// FuzzBulkAnswer: nothing is accepted by an answer that does not tell of each change.
func FuzzBulkAnswer(f *testing.F) {
	for _, s := range []string{`{"items":[{"index":{"status":200}},{"delete":{"status":404}}]}`, `{"items":[{"index":{"status":400,"error":{"type":"x"}}},{}]}`, `{"items":null}`, `[]`, ``} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		failed, err := bulkVerdict(answer, 2)
		if err != nil {
			if pipeline.IsPermanent(err) || len(failed) > 0 {
				t.Errorf("%q: %v, %v", answer, failed, err)
			}
			return
		}
		var a struct {
			Items []map[string]struct{ Status int }
		}
		if json.Unmarshal(answer, &a) != nil || len(a.Items) != 2 {
			t.Fatalf("%q is an answer", answer)
		}
		for i, item := range a.Items {
			for action, result := range item {
				good := result.Status >= 200 && result.Status < 300 || result.Status == 409 || result.Status == 404 && action == "delete"
				if good != (failed[i] == nil) || failed[i] != nil && len(failed[i].Error()) > 400 {
					t.Errorf("%q: %d is %v", answer, i, failed[i])
				}
			}
		}
	})
}

// FuzzAnswerCheck: reading what a server says of success ends, and never permanently.
func FuzzAnswerCheck(f *testing.F) {
	f.Add([]byte(`{"a":[{"s":200}],"errors":false}`), "/errors=false")
	f.Add([]byte(`{"a~/b":{"":[0]}}`), "/a~0~1b//0=0")
	f.Fuzz(func(t *testing.T, answer []byte, success string) {
		if !strings.HasPrefix(success, "/") {
			return
		}
		for _, check := range []func([]byte, int) (map[int]error, error){answerCheck(success, "", ""), answerCheck("", "/a", "/s")} {
			if _, err := check(answer, 1); pipeline.IsPermanent(err) {
				t.Error(err)
			}
		}
	})
}

// FuzzHeaderValue: what is encoded is a value of a header, and decodes to what it was.
func FuzzHeaderValue(f *testing.F) {
	for _, s := range []string{"", "plain", "名前", "a\r\nX: y", `100% "quoted"`, "\xff\x00", " both ends ", "%41"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		encoded := encodeHeader(value)
		for i := range len(encoded) {
			if encoded[i] <= ' ' || encoded[i] >= 0x7f || encoded[i] == '"' {
				t.Fatalf("%q: %q", value, encoded)
			}
		}
		if decoded, err := url.PathUnescape(encoded); err != nil || decoded != strings.ToValidUTF8(value, "\ufffd") && utf8.ValidString(value) {
			t.Errorf("%q: %q decodes to %q, %v", value, encoded, decoded, err)
		}
	})
}

// FuzzFormats: whatever names and objects hold, what is sent is the JSON that it should be.
func FuzzFormats(f *testing.F) {
	f.Add("name", "ns", "uid", "1")
	f.Add("a\"}\n{\"index\":{}}", "\u2028", "\xff", "</script>")
	f.Add(`{{.Name}}`, `\`, "\x00", "é")
	ndjson, err := templated(&Options{Template: `{"n":{{quote .Name}},"ns":{{toJson .Namespace}},"g":{{.Get "metadata" "name" | toJson}},"e":{{.Event}},"o":{{.JSON}}}`, Join: JoinNDJSON})
	if err != nil {
		f.Fatal(err)
	}
	click, err := clickHouse("t")
	if err != nil {
		f.Fatal(err)
	}
	lines := map[string]*wire{"template": ndjson, "clickhouse": click, "victorialogs": victoriaLogs(), "elasticsearch": elasticsearch("i"), "splunk": splunk(), "loki": loki(), "slack": slack()}
	f.Fuzz(func(t *testing.T, name, namespace, uid, version string) {
		c := change(name)
		if name == "" {
			c.Key.Name = "x"
		}
		c.Key.Namespace, c.UID, c.ResourceVersion, c.Sequence = namespace, "u"+c.UID, version, 7
		c.Object, _ = json.MarshalIndent(map[string]any{"metadata": map[string]string{"name": name, "uid": uid}}, "", "\n")
		for format, w := range lines {
			body, err := w.append([]byte(w.open), c)
			if err != nil {
				t.Fatalf("%s: %v", format, err)
			}
			body = append(body, w.end...)
			want := map[string]int{"elasticsearch": 2}[format]
			if want == 0 {
				want = 1
			}
			rows := strings.Split(strings.TrimSuffix(string(body), "\n"), "\n")
			if len(rows) != want {
				t.Errorf("%s: %d lines: %q", format, len(rows), body)
			}
			for _, row := range rows {
				if !json.Valid([]byte(row)) || !utf8.ValidString(row) {
					t.Errorf("%s: %q", format, row)
				}
			}
		}
		h := http.Header{}
		attributeHeaders(h, c)
		for name, values := range h {
			if !isToken(name) || len(values) != 1 || strings.ContainsAny(values[0], "\r\n\x00") {
				t.Errorf("%s: %q", name, values)
			}
		}
	})
}
