package httpsink

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/net/http/httpguts"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// FuzzBulkAnswer: nothing is accepted by an answer that does not tell of each change.
func FuzzBulkAnswer(f *testing.F) {
	for _, s := range []string{`{"items":[{"index":{"status":200}},{"delete":{"status":404}}]}`, `{"items":[{"index":{"status":400,"error":{"type":"x"}}},{}]}`, `{"items":null}`, `[]`, ``} {
		f.Add([]byte(s))
	}
	changes := []*pipeline.Change{change("a"), change("b")}
	changes[0].Sequence = 7
	f.Fuzz(func(t *testing.T, answer []byte) {
		failed, err := bulkVerdict(DefaultPermanent)(answer, changes)
		if err != nil {
			if pipeline.IsPermanent(err) || len(failed) > 0 {
				t.Errorf("%q: %v, %v", answer, failed, err)
			}
			return
		}
		if strings.Count(strings.ToLower(string(answer)), "items") != 1 || strings.Contains(string(answer), `\u`) {
			return // encoding/json takes the last of several, and whatever the case
		}
		var a struct {
			Items []map[string]struct{ Status int }
		}
		if json.Unmarshal(answer, &a) != nil || len(a.Items) != 2 {
			t.Fatalf("%q is an answer", answer)
		}
		for i, item := range a.Items {
			for action, result := range item {
				good := result.Status >= 200 && result.Status < 300 || result.Status == 409 && i == 0 || result.Status == 404 && action == "delete"
				if good != (failed[i] == nil) || failed[i] != nil && len(failed[i].Error()) > 400 {
					t.Errorf("%q: %d is %v", answer, i, failed[i])
				}
			}
		}
	})
}

// FuzzAnswerCheck: nothing is accepted but what the answer, read as a tree, says.
func FuzzAnswerCheck(f *testing.F) {
	f.Add([]byte(`{"a":[{"s":200}],"errors":false}`), "/errors=false")
	f.Add([]byte(`{"a~/b":{"":[0]}}`), "/a~0~1b//0=0")
	f.Fuzz(func(t *testing.T, answer []byte, success string) {
		if !strings.HasPrefix(success, "/") {
			return
		}
		changes := []*pipeline.Change{change("a")}
		at, want, _ := strings.Cut(success, "=")
		_, err := answerCheck(success, "", "", nil)(answer, changes)
		if pipeline.IsPermanent(err) || err == nil && !holds(answer, at, want) {
			t.Errorf("%q of %q: %v", success, answer, err)
		}
		failed, err := answerCheck("", "/a", "/s", []int{400})(answer, changes)
		if pipeline.IsPermanent(err) {
			t.Error(err)
		}
		var tree struct {
			A []struct{ S json.RawMessage }
		}
		if err == nil && len(failed) == 0 && strings.Count(strings.ToLower(string(answer)), `"a"`) == 1 && strings.Count(strings.ToLower(string(answer)), `"s"`) == 1 {
			if json.Unmarshal(answer, &tree) != nil || len(tree.A) != 1 || !strings.HasPrefix(strings.Trim(string(tree.A[0].S), `"+0`), "2") {
				t.Errorf("%q is accepted", answer)
			}
		}
	})
}

// holds reports whether a tree holds a scalar at a pointer, or may hold it twice.
func holds(answer []byte, pointer, want string) bool {
	decoder := json.NewDecoder(bytes.NewReader(answer))
	decoder.UseNumber()
	var value any
	if decoder.Decode(&value) != nil {
		return false
	}
	if pointer == "" {
		pointer = "/"
	}
	for name := range strings.SplitSeq(pointer[1:], "/") {
		name = unescapePointer.Replace(name)
		switch in := value.(type) {
		case map[string]any:
			if bytes.Count(answer, []byte(`"`+name+`"`)) != 1 {
				return true // given twice, or written otherwise
			}
			value = in[name]
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(in) {
				return false
			}
			value = in[i]
		default:
			return false
		}
	}
	got, scalar := scalarText(value)
	return scalar && got == want
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
	lines := map[string]*wire{"template": ndjson, "clickhouse": click, "victorialogs": victoriaLogs(), "elasticsearch": elasticsearch("i", nil), "splunk": splunk(), "loki": loki(), "slack": slack()}
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
			if !httpguts.ValidHeaderFieldName(name) || len(values) != 1 || strings.ContainsAny(values[0], "\r\n\x00") {
				t.Errorf("%s: %q", name, values)
			}
		}
	})
}
