package wire

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairlead-dev/fairlead/internal/jsontext"
)

// corpus is JSON and what is nearly JSON.
var corpus = []string{
	`{"type":"ADDED","object":{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a","namespace":"n","uid":"u","resourceVersion":"7","managedFields":[{"a":1}]},"data":{"k":"v"}}}` + "\n",
	`{"object":{"apiVersion":"x/v1","data":[1,2],"kind":"X","metadata":{"managedFields":[],"name":"a"}},"type":"DELETED"}`,
	`{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"12","annotations":{"k8s.io/initial-events-end":"true","x":"y"}}}}`,
	`{"type":"ERROR","object":{"kind":"Status","code":410}}`,
	`{"t\u0079pe":"ADDED","object":{"metadata":{"n\u0061me":"\u00e9\ud83d\ude00\u0041"}}}`,
	`{"type":"ADDED","type":"MODIFIED","object":{"metadata":{"name":"a"}},"object":{"metadata":{"uid":"b"},"metadata":{"name":"c"}}}`,
	`{"type":"ADDED","object":{"apiVersion":"v1","kind":"K","Kind":"L","\u212aind":"M","spec":1,"metadata":{"name":"a","Name":"b","uid":"u","resourceVersion":"1"}}}`,
	`{"type":"ADDED","object":{"kind":"K","metaData":{},"n\u0061me":"x","metadata":{"uid":"u","ui\u0064":"v","resourceVer\u017fion":"1"},"a":1e999,"b":"\ud800"}}`,
	`{"type":5,"object":[{"metadata":{"name":"a"}}]}`, `{"object":{"metadata":["name"]}}`, `{"object":{"metadata":{"name":{"name":"x"}}}}`,
	`null`, `true`, `false`, `"x"`, `-0`, `0`, `-1.5e+10`, `1E9`, `01`, `-`, `1.`, `.5`, `1e`, `+1`, `0x1`, `1 2`, ``, ` `, `{`, `}`, `[`, `]`, `[]`, `{}`,
	` { } `, `[1,]`, `[,1]`, `{,}`, `{"a":1,}`, `{"a"}`, `{"a":}`, `{a:1}`, `{"a":1 "b":2}`, `[1 2]`, `[}`, `{]`, `{"a":[1,{"b":[]}]}`,
	`"\n"`, "\"\n\"", "\"\x00\"", "\"\x1f\"", "\"\x7f\"", "\"\xff\"", `"\x"`, `"\u12"`, "\"ab\x1fcdefghijk\"", "\"ab\x00cdefghijk\"", "\"ab\x20cdefghijk\"", "\"ab\x80cdefghij\xff\"", `"\u123g"`, `"\uD800"`, `"`, `"\`, `"\"`, `"abcdefgh\"ijklmnop"`, "\"abcdefghijk\tlmnop\"",
	"\x00", "{}\x00", "\xef\xbb\xbf{}", "{}\u00a0", "nul", "nulll", "tru", "falsee", `{"a":nul}`,
	strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth),
	strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1),
	strings.Repeat(`{"a":`, maxDepth-1) + "1" + strings.Repeat("}", maxDepth-1),
	`{"object":{"metadata":` + strings.Repeat(`{"a":`, maxDepth-2) + "1" + strings.Repeat("}", maxDepth),
	`{"object":{"metadata":` + strings.Repeat(`{"a":`, maxDepth-1) + "1" + strings.Repeat("}", maxDepth+1),
}

func TestScannerAcceptsWhatJSONIs(t *testing.T) {
	for _, text := range corpus {
		compareWithJSON(t, []byte(text))
	}
}

// FuzzScan proves that the scanner accepts exactly what encoding/json takes
// for JSON, finds in it what encoding/json finds, and that what is left
// without managedFields is the same JSON without managedFields.
func FuzzScan(f *testing.F) {
	for _, text := range corpus {
		if len(text) < 1000 { // mutating the deep ones takes too long
			f.Add([]byte(text))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) { compareWithJSON(t, b) })
}

func compareWithJSON(t *testing.T, b []byte) {
	t.Helper()
	before := bytes.Clone(b)
	var s Scanner
	var got Frame
	ok := s.ScanFrame(b, &got)
	if valid := json.Valid(b); ok != valid {
		t.Fatalf("scanFrame(%.200q) = %t, json.Valid = %t", b, ok, valid)
	}
	var item Frame
	if objectOK := s.ScanObject(b, &item); objectOK != ok {
		t.Fatalf("scanObject(%.200q) = %t, scanFrame = %t", b, objectOK, ok)
	}
	if !bytes.Equal(b, before) {
		t.Fatalf("the scanner wrote to its input")
	}
	if !ok {
		return
	}
	want := decode(b)
	for _, field := range []struct {
		name      string
		got, want string
	}{
		{"name", Unquote(got.Name), want.name}, {"namespace", Unquote(got.Namespace), want.namespace},
		{"uid", Unquote(got.UID), want.uid}, {"resourceVersion", Unquote(got.Version), want.version},
	} {
		if field.got != field.want {
			t.Errorf("%s of %.200q = %q, want %q", field.name, b, field.got, field.want)
		}
	}
	if (got.Twice != nil) != want.twice || !got.Loose && want.loose {
		t.Errorf("of %.200q was read: twice %q, loose %t, want %t, %t", b, got.Twice, got.Loose, want.twice, want.loose)
	}
	if !want.twice && (Unquote(got.Kind) != want.kind || Unquote(got.APIVersion) != want.apiVersion) {
		t.Errorf("of %.200q was read: %q in %q, want %q in %q", b, got.Kind, got.APIVersion, want.kind, want.apiVersion)
	}
	if !got.Doubtful && !jsontext.Portable(want.object) {
		t.Errorf("nothing was noticed of what is not portable in %.200q", b)
	}
	if got.Type != want.typ || got.InitialEnd != want.initialEnd || got.HasKind != want.hasKind || got.HasAPIVersion != want.hasAPIVersion {
		t.Errorf("scanFrame(%.200q) = %+v, want %+v", b, got, want)
	}
	if got.Identified() && got.Twice == nil {
		checkCopies(t, b, &got, want.object)
	}
}

// checkCopies compares what is handed on of an object with the object.
func checkCopies(t *testing.T, b []byte, f *Frame, object json.RawMessage) {
	t.Helper()
	members := rawMembers(object)
	if !f.HasKind {
		members["kind"] = json.RawMessage(`"K"`)
	}
	if !f.HasAPIVersion {
		members["apiVersion"] = json.RawMessage(`"g/v1"`)
	}
	metadata := rawMembers(members["metadata"])
	delete(metadata, "managedFields")
	members["metadata"], _ = json.Marshal(metadata)
	want, _ := json.Marshal(members)

	gvk := schema.GroupVersionKind{Group: "g", Version: "v1", Kind: "K"}
	if got := CopyObject(nil, b, f, gvk); !sameJSON(got, want) {
		t.Errorf("object of %q copied as %q, want %q", b, got, want)
	}
	want, _ = json.Marshal(map[string]any{"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata})
	if got := CopyMetadata(nil, b, f); !sameJSON(got, want) {
		t.Errorf("metadata of %q copied as %q, want %q", b, got, want)
	}
}

func sameJSON(a, b []byte) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && cmp.Equal(x, y)
}

type decoded struct {
	typ                           Type
	object                        json.RawMessage
	name, namespace, uid, version string
	kind, apiVersion              string
	initialEnd                    bool
	hasKind, hasAPIVersion        bool
	twice, loose                  bool
}

// decode finds with encoding/json what scanFrame looks for. It goes through
// maps because struct fields match keys of any case.
func decode(b []byte) (d decoded) {
	frame := rawMembers(b)
	d.typ = typeOf([]byte(rawText(frame["type"])))
	if raw := bytes.TrimSpace(frame["type"]); len(raw) > 1 && !Plain(raw) {
		d.typ = typeOf(bytes.Trim(raw, `"`)) // types are compared as they are spelled
	}
	d.object = frame["object"]
	object := rawMembers(d.object)
	d.kind, d.apiVersion = rawText(object["kind"]), rawText(object["apiVersion"])
	d.twice = twice(b, "type", "object") || twice(d.object) || twice(object["metadata"]) ||
		capitals(object["metadata"], "name", "namespace", "uid", "resourceVersion")
	d.loose = capitals(d.object, "kind", "apiVersion", "metadata")
	_, d.hasKind = object["kind"]
	_, d.hasAPIVersion = object["apiVersion"]
	metadata := rawMembers(object["metadata"])
	d.name, d.namespace = rawText(metadata["name"]), rawText(metadata["namespace"])
	d.uid, d.version = rawText(metadata["uid"]), rawText(metadata["resourceVersion"])
	d.initialEnd = rawText(rawMembers(metadata["annotations"])["k8s.io/initial-events-end"]) == "true"
	return d
}

// keysOf returns the keys of an object in the order in which they stand there.
func keysOf(b json.RawMessage) (keys []string) {
	d := json.NewDecoder(bytes.NewReader(b))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return nil
	}
	for d.More() {
		key, _ := d.Token()
		keys = append(keys, key.(string))
		var value json.RawMessage
		if d.Decode(&value) != nil {
			break
		}
	}
	return keys
}

// twice reports whether one of the keys, or any if none are named, stands in an
// object twice.
func twice(object json.RawMessage, which ...string) bool {
	seen := map[string]bool{}
	for _, key := range keysOf(object) {
		if seen[key] && (len(which) == 0 || slices.Contains(which, key)) {
			return true
		}
		seen[key] = true
	}
	return false
}

// capitals reports whether a key of an object differs from a word by its
// capitals only.
func capitals(object json.RawMessage, words ...string) bool {
	return slices.ContainsFunc(keysOf(object), func(key string) bool {
		return slices.ContainsFunc(words, func(word string) bool { return key != word && strings.EqualFold(key, word) })
	})
}

func rawMembers(b json.RawMessage) map[string]json.RawMessage {
	var m map[string]json.RawMessage
	if json.Unmarshal(b, &m) != nil || m == nil {
		return map[string]json.RawMessage{}
	}
	return m
}

func rawText(b json.RawMessage) string {
	var s string
	if json.Unmarshal(b, &s) != nil {
		return ""
	}
	return s
}

func TestScanFrame(t *testing.T) {
	for _, test := range []struct {
		name, in  string
		want      string // of the object, as handed on
		wantMeta  string
		wantFirst string // namespace/name@uid:version
	}{
		{
			name:      "typed",
			in:        `{"type":"ADDED","object":{"kind":"K","apiVersion":"v1","metadata":{"name":"a","namespace":"n","uid":"u","resourceVersion":"7","managedFields":[{"x":"}"}]},"data":{}}}`,
			want:      `{"kind":"K","apiVersion":"v1","metadata":{"name":"a","namespace":"n","uid":"u","resourceVersion":"7"},"data":{}}`,
			wantMeta:  MetadataOnly + `{"name":"a","namespace":"n","uid":"u","resourceVersion":"7"}}`,
			wantFirst: "n/a@u:7",
		},
		{
			name:      "alphabetical, as custom resources are",
			in:        `{"type":"ADDED","object":{"apiVersion":"v1","data":{},"kind":"K","metadata":{"managedFields":[], "name":"a","resourceVersion":"7"}}}`,
			want:      `{"apiVersion":"v1","data":{},"kind":"K","metadata":{ "name":"a","resourceVersion":"7"}}`,
			wantMeta:  MetadataOnly + `{ "name":"a","resourceVersion":"7"}}`,
			wantFirst: "/a@:7",
		},
		{
			name:      "managed fields in the middle, spaces",
			in:        `{ "type" : "ADDED" , "object" : { "apiVersion" : "v1" , "kind":"K", "metadata" : { "name" : "a" , "managedFields" : [ ] , "resourceVersion" : "7" } } }`,
			want:      `{ "apiVersion" : "v1" , "kind":"K", "metadata" : { "name" : "a"  , "resourceVersion" : "7" } }`,
			wantMeta:  MetadataOnly + `{ "name" : "a"  , "resourceVersion" : "7" }}`,
			wantFirst: "/a@:7",
		},
		{
			name:      "item of a list, without kind",
			in:        `{"type":"ADDED","object":{"metadata":{"name":"\u0061","resourceVersion":"7"}}}`,
			want:      `{"apiVersion":"g/v1","kind":"K","metadata":{"name":"\u0061","resourceVersion":"7"}}`,
			wantMeta:  MetadataOnly + `{"name":"\u0061","resourceVersion":"7"}}`,
			wantFirst: "/a@:7",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			var s Scanner
			var f Frame
			if !s.ScanFrame([]byte(test.in), &f) || f.Type != Added {
				t.Fatalf("scanFrame = %+v", f)
			}
			first := Unquote(f.Namespace) + "/" + Unquote(f.Name) + "@" + Unquote(f.UID) + ":" + Unquote(f.Version)
			if first != test.wantFirst {
				t.Errorf("identity = %s, want %s", first, test.wantFirst)
			}
			gvk := schema.GroupVersionKind{Group: "g", Version: "v1", Kind: "K"}
			if got := string(CopyObject(nil, []byte(test.in), &f, gvk)); got != test.want {
				t.Errorf("object\n got %s\nwant %s", got, test.want)
			}
			if got := string(CopyMetadata(nil, []byte(test.in), &f)); got != test.wantMeta {
				t.Errorf("metadata\n got %s\nwant %s", got, test.wantMeta)
			}
		})
	}
}

func TestScanOfTruncatedFrameFindsIdentity(t *testing.T) {
	whole := `{"type":"DELETED","object":{"kind":"K","metadata":{"name":"a","resourceVersion":"7"},"data":"xxxxxxxxxxxx`
	var s Scanner
	for n := range whole {
		var f Frame
		if s.ScanFrame([]byte(whole[:n]), &f) {
			t.Fatalf("%q is no JSON", whole[:n])
		}
		complete := n >= strings.Index(whole, "},")+1
		if (f.Meta != nil) != complete {
			t.Errorf("of %q metadata %q were found", whole[:n], f.Meta)
		}
		if complete && (f.Type != Deleted || !f.Identified() || string(f.Name) != "a") {
			t.Errorf("of %q was read: %+v", whole[:n], f)
		}
	}
}

func TestWithoutLastApplied(t *testing.T) {
	in := MetadataOnly + `{"name":"a","annotations":{"kubectl.kubernetes.io\/last-applied-configur\u0061tion":"{\"data\":{\"password\":\"hunter2\"}}","b":"c"},"generation":12345678901234567890}}`
	got, err := WithoutLastApplied([]byte(in))
	if err != nil {
		t.Fatal(err)
	}
	want := MetadataOnly + `{"name":"a","annotations":{"b":"c"},"generation":12345678901234567890}}`
	if !sameJSON(got, []byte(want)) || !bytes.Contains(got, []byte("12345678901234567890")) {
		t.Errorf("got %s, want %s", got, want)
	}
}

func BenchmarkScan(b *testing.B) {
	var long []byte
	for range 40 {
		long = append(long, `"line of a config map, as long as such lines are",`...)
	}
	line := []byte(`{"type":"MODIFIED","object":{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"settings","namespace":"default",` +
		`"uid":"0f0e6b5c-7a8f-4c3e-9a1b-2d3c4e5f6a7b","resourceVersion":"123456","creationTimestamp":"2026-01-01T00:00:00Z",` +
		`"managedFields":[{"manager":"kubectl","operation":"Update","apiVersion":"v1","time":"2026-01-01T00:00:00Z","fieldsType":"FieldsV1","fieldsV1":{"f:data":{".":{},"f:a":{},"f:b":{}}}}]},` +
		`"data":{"list":[` + string(bytes.TrimSuffix(long, []byte(","))) + `]}}}` + "\n")
	gvk := schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}
	for _, bench := range []struct {
		name string
		run  func(s *Scanner, f *Frame)
	}{
		{"scan", func(s *Scanner, f *Frame) { s.ScanFrame(line, f) }},
		{"scan and copy", func(s *Scanner, f *Frame) { s.ScanFrame(line, f); CopyObject(nil, line, f, gvk) }},
		{"json.Valid", func(*Scanner, *Frame) { json.Valid(line) }},
	} {
		b.Run(bench.name, func(b *testing.B) {
			var s Scanner
			var f Frame
			b.ReportAllocs()
			b.SetBytes(int64(len(line)))
			for b.Loop() {
				bench.run(&s, &f)
			}
		})
	}
}
