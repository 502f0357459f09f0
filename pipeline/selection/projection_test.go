package selection

import (
	"bytes"
	"encoding/json"
	randv1 "math/rand"
	"math/rand/v2"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/apitesting/fuzzer"
	metafuzzer "k8s.io/apimachinery/pkg/apis/meta/fuzzer"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/fairlead-dev/fairlead/internal/jsontext"
)

func quoted(text string) string { return string(jsontext.AppendString(nil, text)) }

var testKey = []byte("0123456789abcdef")

// same compares a projection with the reference, and its size with what was promised.
func same(t *testing.T, object []byte, kept [][]path, dropped, redacted []path) {
	t.Helper()
	decoded := parse(object)
	if decoded == nil {
		return // a key stands twice
	}
	r := reference{kept: kept, dropped: dropped, redacted: redacted, key: testKey}
	want := r.project(decoded)
	p := newProjection(kept, dropped, redacted, newRedactor(testKey))
	got := p.append([]byte("x"), object)[1:]
	if !bytes.Equal(got, want) {
		t.Fatalf("of %s, only %v, drop %v, redact %v, remains\n%s\nwant\n%s", object, kept, dropped, redacted, got, want)
	}
	if !json.Valid(got) {
		t.Fatalf("of %s, only %v, drop %v, redact %v, remains no JSON: %s", object, kept, dropped, redacted, got)
	}
	var rules []fieldRule
	for group, paths := range kept {
		rules = append(rules, fieldRule{kind: onlyFields, paths: paths, group: group})
	}
	rules = append(rules, fieldRule{kind: droppedFields, paths: dropped}, fieldRule{kind: redactedFields, paths: redacted, key: newRedactor(testKey)})
	f := newFields(rules)
	if shaped := f.appendShaped(nil, object); len(shaped) > f.shapedSize(len(object)) {
		t.Fatalf("%s became %d bytes, at most %d were promised: %s", object, len(shaped), f.shapedSize(len(object)), shaped)
	}
}

func FuzzProjection(f *testing.F) {
	for _, seed := range [][5]string{
		{`{"m":{"l":{"a":"b"}},"s":{"c":[{"n":"web","i":"x","e":[{"v":1}]},{"n":"y"}],"v":[]},"t":{"p":"R"}}`, "s,t.p,m.l", "m.l,s.c[*].i", "s.v", "s.c[?n=web].e[*].v"},
		{`{"m":{"l":{"a":"b"}},"s":{"c":[{"n":"web","i":"x"},{"n":"y","i":"z"}]}}`, "s.c[*].n,s.c[0].i", "", "s.c[1]", "m.l.*"},
		{`{"a":[1,{"b":2},[],{},{"b":null}],"c":{"d":{}}}`, "a[*].b,c.d.e", "a[*]", "a[?b=2]", "c.d"},
		{` { "\u0061" : [ { "b" : "x\u0079" , "c" : [ 1 , 2 ] } ] , "é" : "\ud800" } `, "a[?b=xy].c", "", "a[*].b", "['é']"},
		{`{"a":[[1,2],[3,4],[{"x":1e999}]]}`, "a[*][0]", "a[0],a[2][*].x", "a[1][1]", "a[*][*]"},
		{`{"a":{"a":{"a":"` + "\xff" + `"}}}`, "a.*.a", "*.*", "", "a.a.a"},
		{`[{"a":1}]`, "[*].a", "", "", ""},
		{`"text"`, "a", "", "b", ""},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3], seed[4])
	}
	f.Fuzz(func(t *testing.T, object, only1, only2, drop, redact string) {
		if !json.Valid([]byte(object)) || strings.Count(object, "[")+strings.Count(object, "{") > 3000 {
			return
		}
		var kept [][]path
		for _, text := range []string{only1, only2} {
			if paths, err := parsePaths(text); err == nil {
				kept = append(kept, paths)
			}
		}
		dropped, _ := parsePaths(drop)
		redacted, _ := parsePaths(redact)
		same(t, []byte(object), kept, dropped, redacted)
	})
}

// somePaths returns paths into the object, most of which name something.
func somePaths(random *rand.Rand, object *tree) (paths []path) {
	for range random.IntN(4) {
		var p path
		for at := object; len(at.children) > 0 && (len(p) == 0 || random.IntN(4) > 0); {
			i := random.IntN(len(at.children))
			child := at.children[i]
			next := step{kind: stepKey, index: 0}
			switch {
			case random.IntN(6) == 0:
				next.kind = stepEach
			case at.object():
				next.key = at.keys[i]
			case child.object() && len(child.children) > 0 && random.IntN(2) == 0:
				member := random.IntN(len(child.children))
				next = step{kind: stepMatch, key: child.keys[member], value: strings.Trim(string(child.children[member].raw), `"`)}
			default:
				next = step{kind: stepIndex, index: i}
			}
			p, at = append(p, next), child
		}
		if len(p) > 0 {
			paths = append(paths, p)
		}
	}
	return paths
}

// All of Kubernetes' types, with anything in them, are projected as they should be.
func TestProjectionsOfBuiltInTypes(t *testing.T) {
	rounds, objects := 2, 0
	if testing.Short() {
		rounds = 1
	}
	for gvk := range scheme.Scheme.AllKnownTypes() {
		if gvk.Version == "__internal" {
			continue
		}
		for seed := range rounds {
			random := rand.New(rand.NewPCG(uint64(seed), uint64(len(gvk.Kind))))
			object, err := scheme.Scheme.New(gvk)
			if err != nil {
				t.Fatal(err)
			}
			fuzzer.FuzzerFor(metafuzzer.Funcs, randv1.NewSource(int64(seed)), scheme.Codecs).Fill(object)
			text, err := json.Marshal(object)
			if err != nil {
				continue // some types refuse what they are filled with
			}
			decoded := parse(text)
			if decoded == nil {
				continue
			}
			objects++
			for range 4 {
				var kept [][]path
				for range random.IntN(3) {
					if paths := somePaths(random, decoded); len(paths) > 0 {
						kept = append(kept, paths)
					}
				}
				same(t, text, kept, somePaths(random, decoded), somePaths(random, decoded))
			}
		}
	}
	if objects < 300*rounds {
		t.Errorf("%d objects are too few to tell", objects)
	}
}
