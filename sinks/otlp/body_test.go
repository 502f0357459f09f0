package otlp

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	collectorpb "go.opentelemetry.io/proto/slim/otlp/collector/logs/v1"
	commonpb "go.opentelemetry.io/proto/slim/otlp/common/v1"
	"google.golang.org/protobuf/proto"

	"github.com/fairlead-dev/fairlead/pipeline"
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
			v, _ := mapValue([]byte(test.text))
			if diff := cmp.Diff(test.want, plain(v)); diff != "" {
				t.Error(diff)
			}
			if _, err := proto.Marshal(v); err != nil {
				t.Error(err)
			}
		})
	}
	if v, _ := mapValue([]byte(deep(100_000))); len(plain(v).(map[string]any)) != 1 {
		t.Error("what is very deep is no map")
	}
	many, values := mapValue([]byte(`[` + strings.Repeat("0,", maxValues-3) + "0]"))
	if n := len(many.GetArrayValue().GetValues()); n != maxValues-2 || values != maxValues-1 {
		t.Errorf("%d values are a list, want %d; %d are counted", n, maxValues-2, values)
	}
}

// TestMapsOfARequest: maps of many values are in several requests, and all remain maps.
func TestMapsOfARequest(t *testing.T) {
	const perObject = 40_000
	object := []byte(`[` + strings.Repeat("0,", perObject-2) + "0]")
	var changes []*pipeline.Change
	for range 5 {
		changes = append(changes, &pipeline.Change{Key: pipeline.Key{Cluster: "m"}, Origin: &pipeline.Origin{Cluster: "m"}, Object: object})
	}
	s := &Sink{bodyMap: true, maxRequest: 1 << 30}
	var records []int
	for len(changes) > 0 {
		body, n, err := s.request(changes)
		if err != nil {
			t.Fatal(err)
		}
		var sent collectorpb.ExportLogsServiceRequest
		if err := proto.Unmarshal(body, &sent); err != nil {
			t.Fatal(err)
		}
		for _, r := range sent.ResourceLogs[0].ScopeLogs[0].LogRecords {
			if got := len(r.Body.GetArrayValue().GetValues()); got != perObject-1 {
				t.Errorf("%d values arrive, want %d", got, perObject-1)
			}
		}
		records, changes = append(records, n), changes[n:]
	}
	if diff := cmp.Diff([]int{2, 2, 1}, records); diff != "" {
		t.Error(diff)
	}
}

// meant is what a value of JSON, decoded with numbers as they are written, is in a map.
func meant(v any) any {
	switch v := v.(type) {
	case json.Number:
		return plain(numberValue(string(v)))
	case []any:
		list := []any{}
		for _, element := range v {
			list = append(list, meant(element))
		}
		return list
	case map[string]any:
		object := map[string]any{}
		for key, member := range v {
			object[key] = meant(member)
		}
		return object
	}
	return v
}

// FuzzMap: whatever is in an object, its map says the same as its JSON, and can be sent.
func FuzzMap(f *testing.F) {
	f.Add(`{"a":["x",1,2.5,true,null,{"b":{}}]}`)
	f.Add(`{"a\u00e4\n":"\ud83d\ude00", "n":9223372036854775808, "a":1, "a":{"b":2}}`)
	f.Fuzz(func(t *testing.T, text string) {
		v, _ := mapValue([]byte(text))
		if _, err := proto.Marshal(v); err != nil {
			t.Error(err)
		}
		if !utf8.ValidString(text) {
			return // Each replaces what is no UTF-8 in its own way.
		}
		d := json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		var object map[string]any
		if d.Decode(&object) != nil || object == nil || d.More() {
			return
		}
		if strings.Count(text, "[")+strings.Count(text, "{") > maxDepth || strings.Count(text, ",") >= maxValues/2 {
			return // It may have texts in it, or be one: see TestMap.
		}
		if want, got := meant(object), plain(v); !reflect.DeepEqual(want, got) {
			t.Errorf("%q is %v, want %v", text, got, want)
		}
	})
}
