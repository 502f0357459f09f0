package otlp

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	commonpb "go.opentelemetry.io/proto/slim/otlp/common/v1"
	"google.golang.org/protobuf/proto"
)

// plain is what a reader makes of a value.
func plain(v *commonpb.AnyValue) any {
	switch v := v.GetValue().(type) {
	case *commonpb.AnyValue_StringValue:
		return v.StringValue
	case *commonpb.AnyValue_BoolValue:
		return v.BoolValue
	case *commonpb.AnyValue_IntValue:
		return json.Number(fmt.Sprint(v.IntValue))
	case *commonpb.AnyValue_DoubleValue:
		return v.DoubleValue
	case *commonpb.AnyValue_ArrayValue:
		list := []any{}
		for _, element := range v.ArrayValue.Values {
			list = append(list, plain(element))
		}
		return list
	case *commonpb.AnyValue_KvlistValue:
		object := map[string]any{}
		for _, member := range v.KvlistValue.Values {
			object[member.Key] = plain(member.Value)
		}
		return object
	}
	return nil
}

func TestMap(t *testing.T) {
	deep := func(levels int) string { return strings.Repeat(`{"a":`, levels) + `[1]` + strings.Repeat("}", levels) }
	inner := any("[1]")
	for range maxDepth {
		inner = map[string]any{"a": inner}
	}
	for _, test := range []struct {
		name, text string
		want       any
	}{
		{"each kind", ` {"a" : "x\nä" ,"b":[ 1 , -2.5, true,false ,null,{ }, [] ], "c\"\u00e4":{"d":9223372036854775807}} `, map[string]any{
			"a": "x\nä", "b": []any{json.Number("1"), -2.5, true, false, nil, map[string]any{}, []any{}}, `c"ä`: map[string]any{"d": json.Number("9223372036854775807")},
		}},
		{"numbers that no integer and no double holds", `{"a":9223372036854775808,"b":1e999,"c":1e3}`, map[string]any{"a": "9223372036854775808", "b": "1e999", "c": 1000.0}},
		{"deep", deep(maxDepth), inner},
		{"half a surrogate pair", `{"a":"\ud800"}`, map[string]any{"a": "\ufffd"}},
		{"not UTF-8", "{\"a\xff\":\"\xff\"}", map[string]any{"a\ufffd": "\ufffd"}},
		{"too many values", `{"a":[` + strings.Repeat("0,", maxValues) + "0]}", `{"a":[` + strings.Repeat("0,", maxValues) + "0]}"},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := mapValue([]byte(test.text))
			if diff := cmp.Diff(test.want, plain(v)); diff != "" {
				t.Error(diff)
			}
			if _, err := proto.Marshal(v); err != nil {
				t.Error(err)
			}
		})
	}
	if v := mapValue([]byte(deep(100_000))); len(plain(v).(map[string]any)) != 1 {
		t.Error("what is very deep is no map")
	}
	many := mapValue([]byte(`[` + strings.Repeat("0,", maxValues-3) + "0]"))
	if n := len(many.GetArrayValue().GetValues()); n != maxValues-2 {
		t.Errorf("%d values are a list, want %d", n, maxValues-2)
	}
}

// FuzzMap: whatever is in an object, its map says the same as its JSON, and can be sent.
func FuzzMap(f *testing.F) {
	f.Add(`{"a":["x",1,2.5,true,null,{"b":{}}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		v := mapValue([]byte(text))
		if _, err := proto.Marshal(v); err != nil {
			t.Error(err)
		}
		d := json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		var object map[string]any
		if d.Decode(&object) != nil || object == nil || d.More() {
			return
		}
		if got, ok := plain(v).(map[string]any); !ok || len(got) > len(object) {
			t.Errorf("%q is %v", text, got)
		}
	})
}
