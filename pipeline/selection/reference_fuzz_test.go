package selection

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/cel-go/common/types"

	"github.com/fairlead-dev/fairlead/internal/jsontext"
	"github.com/fairlead-dev/fairlead/internal/jsonwalk"
)

// likeReference are expressions that have to say the same of an object that is decoded
// and of one that is read in place.
var likeReference = []string{
	`object.metadata.name == 'a'`,
	`object.metadata.name != 'a'`,
	`'a' == object.metadata.name`,
	`object.metadata.?labels['k'].orValue('') == 'v'`,
	`object.metadata.?labels['k'].orValue('v') == 'v'`,
	`object.metadata.?labels[?'k'].orValue('w') != 'v'`,
	`object.?spec.?a.?b.orValue('x') == 'x'`,
	`object.spec.a == 'x'`,
	`object.spec.a.b == 'x'`,
	`object.spec.a.b in ['x', '', 'y']`,
	`object.spec[?'a'].hasValue()`,
	`has(object.spec) && has(object.spec.a) && has(object.spec.a.b)`,
	`'a' in object.spec`,
	`object.spec.a > 3`,
	`object.spec.a + 1 == 2`,
	`object.spec.a == object.spec.b`,
	`type(object.spec.a) == int || type(object.spec.a) == double`,
	`type(object.spec) == map`,
	`object.spec.a == null`,
	`object.spec.a`,
	`!object.spec.a`,
	`size(object.spec.a) > 1`,
	`object.spec.a[0] == 'x'`,
	`object.spec.a[0].b == 1`,
	`object.spec.a.exists(e, e == 'x' || e == 1)`,
	`object.spec.a.all(e, e.b == 'x')`,
	`object.spec.a.map(e, e) == object.spec.a`,
	`object.spec.a.filter(e, e != 'x').size() == 0`,
	`object.spec.a + object.spec.b == object.spec.b + object.spec.a`,
	`object.spec.exists(k, k == 'a' && object.spec[k] == 'x')`,
	`object.spec.all(k, v, k != 'a' || v != 'x')`,
	`object.spec == object.spec.a`,
	`object.spec.a in object.spec.b`,
	`object.spec.a.contains('x')`,
	`object['spec']['a'] == 1.5`,
	`object['metadata'].exists(k, k == 'managedFields')`,
	`object.apiVersion == 'v1' && object.kind == 'Pod'`,
	`object.metadata.labels == {'k': 'v'}`,
	`cluster.name == object.metadata.name`,
	`cluster.labels.tier == 'prod' && cluster.uid != ''`,
	`change.op == 'updated' && !change.snapshot`,
}

var objects = []string{
	`{}`,
	`{"apiVersion":"v2","kind":"Other","metadata":{"name":"a"}}`,
	`{"metadata":{"name":"a","labels":{"k":"v"},"managedFields":[1]},"spec":{"a":"x","b":"x"}}`,
	`{"metadata":{"\u006eame":"\u0061","labels":{"k":"\u0076"}},"spec":{"a":{"b":"x"}}}`,
	`{"metadata":{"name":"b","labels":null},"spec":{"a":["x","y"],"b":["x"]}}`,
	`{ "metadata" : { "labels" : { } } , "spec" : { "a" : [ { "b" : "x" } , { "b" : 1 } ] } }`,
	`{"metadata":[],"spec":{"a":1,"b":1.0}}`,
	`{"metadata":"x","spec":{"a":-0,"b":0}}`,
	`{"spec":{"a":1.5,"b":9223372036854775808}}`,
	`{"spec":{"a":1e400,"b":12345678901234567890123}}`,
	`{"spec":{"a":true,"b":null}}`,
	`{"spec":{"a":[[],{},null,true,1,"x"],"b":[]}}`,
	`{"spec":[1,2,3]}`,
	`{"spec":{"a":"é\n\"\\","b":{"a":{"a":{"a":[[[1]]]}}}}}`,
}

func FuzzMatchIsAsDecoded(f *testing.F) {
	many := `{"spec":{"a":{`
	for i := range 3 * manyMembers {
		many += fmt.Sprintf(`"k%d":%d,`, i, i)
	}
	for _, o := range append(objects, many+`"b":"x"}}}`) {
		f.Add([]byte(o), false)
		f.Add([]byte(o), true)
	}
	var trials []*trial
	for _, text := range likeReference {
		trials = append(trials, newTrial(f, text))
	}
	f.Fuzz(func(t *testing.T, text []byte, metadata bool) {
		if len(text) > 4<<10 || !json.Valid(text) || jsonwalk.At(text).Kind() != jsonwalk.Object || repeats(jsonwalk.At(text), 0) {
			return
		}
		o := Object{JSON: text, Metadata: metadata, Op: Updated}
		for _, try := range trials {
			if metadata && try.program.Whole() {
				continue
			}
			want, failed := try.matchDecoded(o)
			got, err := try.program.Match(o)
			if (err != nil) != (failed != nil) || err == nil && got != want {
				t.Errorf("%s: got %v, %v; decoded %v, %v", try.metered.text, got, err, want, failed)
			}
			got, err = try.matchMetered(t, o)
			if (err != nil) != (failed != nil) || err == nil && got != want {
				t.Errorf("%s: got %v, %v, counted; decoded %v, %v", try.metered.text, got, err, want, failed)
			}
		}
		root, decoded := &object{json: jsonwalk.At(text)}, adapter.NativeToValue(numbers(decode(text)))
		root.Find(types.String("spec"))
		if root.Equal(decoded) != types.True || decoded.Equal(root) != types.True {
			t.Errorf("the values differ")
		}
	})
}

// repeats reports whether an object within v has a key twice, or v nests too deep.
func repeats(v jsonwalk.Value, depth int) bool {
	if depth > maxNesting {
		return true
	}
	seen := map[string]bool{}
	for m := v.Members(); m.Next(); {
		key := jsontext.Unquote(m.Key)
		if seen[key] || repeats(m.Value, depth+1) {
			return true
		}
		seen[key] = true
	}
	for e := v.Elements(); e.Next(); {
		if repeats(e.Value, depth+1) {
			return true
		}
	}
	return false
}
