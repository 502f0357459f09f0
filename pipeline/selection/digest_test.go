package selection

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

var podResource = Resource{GroupVersionResource: schema.GroupVersionResource{Version: "v1", Resource: "pods"}, Kind: "Pod", Namespaced: true}

func programFor(t testing.TB, r Resource, texts ...Texts) *Program {
	t.Helper()
	var all []*Rules
	for _, text := range texts {
		rules, err := Parse(text, ParseOptions{RedactKey: testKey, DigestKey: testKey})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, rules)
	}
	return Merge(all...).For(r, Cluster{Name: "a"})
}

func TestDigest(t *testing.T) {
	base := strings.TrimSpace(pod)
	edit := func(old, replacement string) string {
		if !strings.Contains(base, old) {
			t.Fatalf("the pod has no %s", old)
		}
		return strings.Replace(base, old, replacement, 1)
	}
	for _, test := range []struct {
		name  string
		rules []Texts
		other string
		same  bool
	}{
		{"a field that counts", []Texts{{Changed: []string{"pods: spec"}}}, edit(`web:1.42.0`, `web:1.43.0`), false},
		{"a field that does not", []Texts{{Changed: []string{"pods: spec"}}}, edit(`"phase":"Running"`, `"phase":"Failed"`), true},
		{"the version", []Texts{{Changed: []string{"metadata"}}}, edit(`"resourceVersion":"123456789"`, `"resourceVersion":"2"`), true},
		{"managedFields", []Texts{{Unchanged: []string{"status"}}}, edit(`"metadata":{`, `"metadata":{"managedFields":[{"manager":"x"}],`), true},
		{"managedFields by a detour", []Texts{{Changed: []string{"*.managedFields[*].manager"}}}, edit(`"metadata":{`, `"metadata":{"managedFields":[{"manager":"x"}],`), true},
		{"an item of a list", []Texts{{Unchanged: []string{"status"}}}, edit(`"kind":"Pod","apiVersion":"v1",`, ``), true},
		{"white space", []Texts{{Changed: []string{"status.phase"}}}, edit(`"phase":"Running"`, "\"phase\" : \n\"Running\""), true},
		{"what does not count, of the rest", []Texts{{Unchanged: []string{"status"}}}, edit(`"phase":"Running"`, `"phase":"Failed"`), true},
		{"the rest", []Texts{{Unchanged: []string{"status"}}}, edit(`web:1.42.0`, `web:1.43.0`), false},
		{"within what counts", []Texts{{Changed: []string{"spec"}, Unchanged: []string{"spec.containers[*].image"}}}, edit(`web:1.42.0`, `web:1.43.0`), true},
		{"both rules of one level", []Texts{{Changed: []string{"spec", "pods: status.phase"}}}, edit(`"phase":"Running"`, `"phase":"Failed"`), false},
		{"not of each level", []Texts{{Changed: []string{"spec"}}, {Changed: []string{"status,spec.nodeName"}}}, edit(`"phase":"Running"`, `"phase":"Failed"`), true},
		{"of each level", []Texts{{Changed: []string{"spec"}}, {Changed: []string{"status,spec.nodeName"}}}, edit(`node-17`, `node-18`), false},
		{"a condition by its name", []Texts{{Changed: []string{"status.conditions[?type=Ready].status"}}}, edit(`"type":"Initialized","observedGeneration":1,"status":"True"`, `"type":"Initialized","observedGeneration":1,"status":"False"`), true},
		{"the condition", []Texts{{Changed: []string{"status.conditions[?type=Ready].status"}}}, edit(`"type":"Ready","observedGeneration":1,"status":"True"`, `"type":"Ready","observedGeneration":1,"status":"False"`), false},
		{"an item that moved", []Texts{{Changed: []string{"status.conditions[?type=Ready].status"}}}, edit(`"conditions":[{`, `"conditions":[{"type":"Other"},{`), true},
		{"a value in another element", []Texts{{Changed: []string{"spec.containers[*].ports"}}}, strings.Replace(edit(`"name":"sidecar","image"`, `"x":[],"image"`), `"ports"`, `"pots"`, 1), false},
	} {
		p := programFor(t, podResource, test.rules...)
		first, ok1 := p.Digest(Object{JSON: []byte(base)})
		second, ok2 := p.Digest(Object{JSON: []byte(test.other)})
		if !ok1 || !ok2 || first == 0 || second == 0 || (first == second) != test.same {
			t.Errorf("%s: %x %t and %x %t", test.name, first, ok1, second, ok2)
		}
	}
}

func TestDigestNeedsWhatItNames(t *testing.T) {
	partial := []byte(`{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{"name":"a","labels":{"a":"b"}}}`)
	whole := []byte(`{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a","labels":{"a":"b"}},"spec":{"a":1}}`)
	for rule, want := range map[string]bool{"metadata.labels": true, "metadata.labels,spec": false, "spec": false} {
		p := programFor(t, podResource, Texts{Changed: []string{rule}})
		got, ok := p.Digest(Object{JSON: partial, Metadata: true})
		if ok != want || p.Whole() == want {
			t.Errorf("%s of metadata: %t, whole %t", rule, ok, p.Whole())
		}
		if full, _ := p.Digest(Object{JSON: whole}); ok && full != got {
			t.Errorf("%s: the digest of the metadata is not that of the object", rule)
		}
	}
	p := programFor(t, podResource, Texts{Unchanged: []string{"metadata.annotations"}})
	if _, ok := p.Digest(Object{JSON: partial, Metadata: true}); ok || !p.Whole() {
		t.Error("the rest of an object is not in its metadata")
	}
	if _, ok := programFor(t, podResource, Texts{Drop: []string{"spec"}}).Digest(Object{JSON: whole}); ok {
		t.Error("there is a digest though no rule asks for one")
	}
}

// The digest of other paths, or with another key, is another one; order and spelling
// of paths do not matter.
func TestDigestIsOfThePaths(t *testing.T) {
	object := Object{JSON: []byte(`{"metadata":{"name":"a"}}`)}
	digest := func(key string, texts ...string) uint64 {
		rules, err := Parse(Texts{Changed: texts}, ParseOptions{DigestKey: []byte(key)})
		if err != nil {
			t.Fatal(err)
		}
		d, _ := rules.For(podResource, Cluster{}).Digest(object)
		return d
	}
	base := digest("k", "spec,status.phase")
	if base != digest("k", "status['phase']", "spec", "spec") {
		t.Error("spelling matters")
	}
	if base == digest("k", "spec,status.reason") || base == digest("other", "spec,status.phase") || base == digest("k", "spec") {
		t.Error("other paths or keys do not")
	}
	if first, again := digest("", "spec"), digest("", "spec"); first != again || first == digest("k", "spec") {
		t.Error("without a key there is one of the process")
	}
}

func TestShapes(t *testing.T) {
	object := `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","uid":"u","resourceVersion":"1","labels":{"x":"y"},"creationTimestamp":"now"},"spec":{"a":1,"b":[{"name":"n","value":"s"},{"name":"m","value":"s"}]},"status":{"phase":"Running"}}`
	for _, test := range []struct {
		name  string
		rules []Texts
		want  string
	}{
		{"drop", []Texts{{Drop: []string{"status,spec.b[?name=n]"}}}, `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","uid":"u","resourceVersion":"1","labels":{"x":"y"},"creationTimestamp":"now"},"spec":{"a":1,"b":[{"name":"m","value":"s"}]}}`},
		{"only", []Texts{{Only: []string{"status.phase", "spec.b[*].name"}}}, `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","uid":"u","resourceVersion":"1","creationTimestamp":"now"},"spec":{"b":[{"name":"n"},{"name":"m"}]},"status":{"phase":"Running"}}`},
		{"only, of each level", []Texts{{Only: []string{"status,spec"}}, {Only: []string{"spec.a,metadata.labels"}}}, `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","uid":"u","resourceVersion":"1","creationTimestamp":"now"},"spec":{"a":1}}`},
		{"only what is not there", []Texts{{Only: []string{"data"}}}, `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","uid":"u","resourceVersion":"1","creationTimestamp":"now"}}`},
	} {
		p := programFor(t, podResource, test.rules...)
		if got := string(p.AppendShaped(nil, []byte(object))); got != test.want {
			t.Errorf("%s:\n%s\nwant\n%s", test.name, got, test.want)
		}
		if p.Shape() == "" {
			t.Errorf("%s: no text for the shape", test.name)
		}
	}
}

func TestRedacted(t *testing.T) {
	shape := func(key, object string) string {
		rules, err := Parse(Texts{Redact: []string{"spec.env[*].value,data.*"}}, ParseOptions{RedactKey: []byte(key)})
		if err != nil {
			t.Fatal(err)
		}
		return string(rules.For(podResource, Cluster{}).AppendShaped(nil, []byte(object)))
	}
	got := shape(string(testKey), `{"spec":{"env":[{"value":"secret"},{"value":"other"},{"value":"s\u0065cret"}]},"data":{"x":"secret","y":{"a": 1}}}`)
	parts := strings.Split(got, redactedPrefix)
	if len(parts) != 6 {
		t.Fatalf("%d values are redacted: %s", len(parts)-1, got)
	}
	if strings.Contains(got, "secret") || strings.Contains(got, "other") || parts[1][:64] != parts[3][:64] || parts[1][:64] == parts[2][:64] || parts[1][:64] != parts[4][:64] {
		t.Errorf("equal values are not to be seen as such: %s", got)
	}
	if got == shape("another key of some length", `{"spec":{"env":[{"value":"secret"},{"value":"other"},{"value":"s\u0065cret"}]},"data":{"x":"secret","y":{"a": 1}}}`) {
		t.Error("the key does not matter")
	}
	many := `{"data":{` + strings.Repeat(`"x":0,`, 2*maxRedacted) + `"z":0}}`
	if got := strings.Count(shape(string(testKey), many), redactedPrefix); got != maxRedacted {
		t.Errorf("%d values are hashed", got)
	}
	_, err := Parse(Texts{Redact: []string{"data"}}, ParseOptions{RedactKey: []byte("short")})
	if err == nil || !strings.Contains(err.Error(), "16 bytes") {
		t.Errorf("a short key: %v", err)
	}
}

// kubectl apply keeps a copy of what is not to be seen in an annotation.
func TestNoCopyOfWhatIsTakenAway(t *testing.T) {
	object := []byte(`{"metadata":{"annotations":{"kubectl.kubernetes.io\/last-applied-configuration":"{\"data\":\"hidden\"}","a":"b"}},"data":"hidden"}`)
	for name, test := range map[string]struct {
		rules []Texts
		copy  bool
	}{
		"drop":             {[]Texts{{Drop: []string{"data"}}}, false},
		"redact":           {[]Texts{{Redact: []string{"data"}}}, false},
		"of another level": {[]Texts{{Only: []string{"metadata"}}, {Drop: []string{"data"}}}, false},
		"in the metadata":  {[]Texts{{Drop: []string{"metadata.labels"}}}, false},
		"only":             {[]Texts{{Only: []string{"metadata"}}}, false},
		"only, by name":    {[]Texts{{Only: []string{"metadata.annotations.a", "metadata.annotations['kubectl.kubernetes.io/last-applied-configuration']"}}}, true},
	} {
		got := programFor(t, podResource, test.rules...).AppendShaped(nil, object)
		if bytes.Contains(got, []byte("last-applied")) != test.copy || !bytes.Contains(got, []byte(`"a":"b"`)) {
			t.Errorf("%s: delivered is %s", name, got)
		}
	}
}

// The text of a form tells forms apart, and keys, and not how rules were written.
func TestShapeTexts(t *testing.T) {
	text := func(key string, rules ...Texts) string {
		var all []*Rules
		for _, r := range rules {
			parsed, err := Parse(r, ParseOptions{RedactKey: []byte(key)})
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, parsed)
		}
		return Merge(all...).For(podResource, Cluster{}).Shape()
	}
	k := string(testKey)
	seen := map[string]string{}
	for name, got := range map[string]string{
		"drop":         text(k, Texts{Drop: []string{"spec"}}),
		"redact":       text(k, Texts{Redact: []string{"spec"}}),
		"other key":    text(k+"2", Texts{Redact: []string{"spec"}}),
		"only":         text(k, Texts{Only: []string{"spec", "status"}}),
		"both levels":  text(k, Texts{Only: []string{"spec"}}, Texts{Only: []string{"status"}}),
		"drop, redact": text(k, Texts{Drop: []string{"spec"}, Redact: []string{"status"}}),
	} {
		if other, again := seen[got]; again || got == "" || strings.Contains(got, k) {
			t.Errorf("%s has the text %q, like %q", name, got, other)
		}
		seen[got] = name
	}
	if a, b := text(k, Texts{Drop: []string{"spec,status.phase"}}), text(k, Texts{Drop: []string{"status['phase']"}}, Texts{Drop: []string{"pods: spec", "spec"}}); a != b {
		t.Errorf("%q is not %q", a, b)
	}
	if got := text(k, Texts{Changed: []string{"spec"}}); got != "" {
		t.Errorf("the form is %q", got)
	}
}

// What takes away or hides a member does so wherever it stands twice.
func TestTwiceTheSameKey(t *testing.T) {
	object := []byte(`{"spec":{"a":"one","a":"two"},"spec":{"a":"three"}}`)
	for rule, texts := range map[string]Texts{"drop": {Drop: []string{"spec.a"}}, "redact": {Redact: []string{"spec.a"}}} {
		got := programFor(t, podResource, texts).AppendShaped(nil, object)
		for _, word := range []string{"one", "two", "three"} {
			if bytes.Contains(got, []byte(word)) {
				t.Errorf("%s left %s in %s", rule, word, got)
			}
		}
	}
}

func TestPresets(t *testing.T) {
	for _, preset := range Presets() {
		for _, field := range preset.Fields {
			plural, group, _ := strings.Cut(field.Resource, ".")
			r := Resource{GroupVersionResource: schema.GroupVersionResource{Group: group, Version: "v1", Resource: plural}}
			p := programFor(t, r, Texts{Preset: []string{preset.Name}})
			paths, err := parsePaths(field.Path)
			if err != nil {
				t.Fatal(err)
			}
			digest := func(value string) uint64 {
				d, ok := p.Digest(Object{JSON: objectWith(paths[0], value)})
				if !ok {
					t.Fatalf("%s %s: no digest", preset.Name, field.Resource)
				}
				return d
			}
			if digest(`"a"`) != digest(`"b"`) {
				t.Errorf("%s: a change of %s %s counts", preset.Name, field.Resource, field.Path)
			}
			if programFor(t, r, Texts{Preset: []string{"widgets.example.com: " + preset.Name}}) != nil {
				t.Errorf("%s is for another resource, and holds for %s", preset.Name, field.Resource)
			}
		}
	}
	if p := programFor(t, Resource{GroupVersionResource: schema.GroupVersionResource{Resource: "secrets"}}, Texts{Preset: []string{"heartbeats,repeats"}}); p != nil {
		t.Error("a preset holds for a resource of which it says nothing")
	}
	if _, err := Parse(Texts{Preset: []string{"heartbeat"}}, ParseOptions{}); err == nil || !strings.Contains(err.Error(), "heartbeats, repeats") {
		t.Errorf("an unknown preset: %v", err)
	}
}

// objectWith returns an object with the value at the path.
func objectWith(p path, value string) []byte {
	for i := len(p) - 1; i >= 0; i-- {
		if p[i].kind == stepKey {
			value = fmt.Sprintf("{%q:%s}", p[i].key, value)
		} else {
			value = "[" + value + "]"
		}
	}
	return []byte(value)
}

func BenchmarkDigest(b *testing.B) {
	p := programFor(b, podResource, Texts{Changed: []string{"spec,status.phase,metadata.labels"}})
	object := Object{JSON: []byte(pod)}
	b.SetBytes(int64(len(pod)))
	b.ReportAllocs()
	for b.Loop() {
		p.Digest(object)
	}
}

func BenchmarkShape(b *testing.B) {
	p := programFor(b, podResource, Texts{Drop: []string{"spec.containers[*].env,status.conditions"}})
	to := make([]byte, 0, p.ShapedSize(len(pod)))
	b.SetBytes(int64(len(pod)))
	b.ReportAllocs()
	for b.Loop() {
		to = p.AppendShaped(to[:0], []byte(pod))
	}
}

// Elements that a path names by a field do not say the same in each other's place.
func TestDigestTellsElementsApart(t *testing.T) {
	p := programFor(t, podResource, Texts{Changed: []string{"status.conditions[?type=Ready].status,status.conditions[?type=Failed].status"}})
	digest := func(conditions string) uint64 {
		d, ok := p.Digest(Object{JSON: []byte(`{"metadata":{},"status":{"conditions":[` + conditions + `]}}`)})
		if !ok {
			t.Fatal("no digest")
		}
		return d
	}
	ready, failed := digest(`{"type":"Ready","status":"False"}`), digest(`{"type":"Failed","status":"False"}`)
	if ready == failed {
		t.Error("one condition in the place of another is no change")
	}
	if digest(`{"type":"Ready","status":"False","reason":"A"}`) != ready {
		t.Error("a field that no path names counts")
	}
}
