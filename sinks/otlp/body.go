package otlp

import (
	"bytes"
	"math"
	"strconv"
	"strings"

	commonpb "go.opentelemetry.io/proto/slim/otlp/common/v1"

	"github.com/fairlead-dev/fairlead/internal/jsonwalk"
)

const (
	// maxDepth is how deep a map goes. What lies deeper is a text. A level of JSON is three
	// of protobuf, of which several decoders read 100.
	maxDepth = 30
	// maxValues is how many values an object may have to be a map: each takes about a
	// hundred bytes while the request is made, whatever it takes in JSON.
	maxValues = 50_000
	// maxOfRequest is how many values the maps of a request may have together. What has no
	// room in one is in the next request.
	maxOfRequest = 100_000
)

// mapValue returns an object as a map of OTLP, with members and elements in their order,
// and how many values are in it. An object with too many values is a text, which is none.
func mapValue(object []byte) (v *commonpb.AnyValue, values int) {
	m := mapper{left: maxValues}
	if v, _ = m.value(jsonwalk.At(object), 0); m.left > 0 {
		return v, maxValues - m.left
	}
	return textValue(string(object)), 0
}

// mapper makes the values of one object.
type mapper struct{ left int }

// value returns a value, and what follows it in the text. Null is a value without content.
func (m *mapper) value(v jsonwalk.Value, depth int) (*commonpb.AnyValue, []byte) {
	m.left--
	switch kind := v.Kind(); {
	case m.left <= 0 || kind == jsonwalk.None || kind == jsonwalk.Null:
		return &commonpb.AnyValue{}, v.After()
	case kind == jsonwalk.String:
		return textValue(v.Text()), v.After()
	case kind == jsonwalk.Bool:
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_BoolValue{BoolValue: v.True()}}, v.After()
	case kind == jsonwalk.Number:
		return numberValue(string(bytes.TrimSpace(v.Bytes()))), v.After()
	case depth == maxDepth:
		return textValue(string(v.Bytes())), v.After()
	case kind == jsonwalk.List:
		list := &commonpb.ArrayValue{}
		all := v.Elements()
		for m.left > 0 && all.Next() {
			element, after := m.value(all.Value, depth+1)
			list.Values = append(list.Values, element)
			all.Passed(after)
		}
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_ArrayValue{ArrayValue: list}}, all.After()
	}
	list := &commonpb.KeyValueList{}
	all := v.Members()
	for m.left > 0 && all.Next() {
		member, after := m.value(all.Value, depth+1)
		list.Values = append(list.Values, &commonpb.KeyValue{Key: keyText(all.Key), Value: member})
		all.Passed(after)
	}
	return &commonpb.AnyValue{Value: &commonpb.AnyValue_KvlistValue{KvlistValue: list}}, all.After()
}

// numberValue returns a number as an integer if it is one of 64 bits, as a double if that
// is the same number to a reader of JSON, and else as a text.
func numberValue(s string) *commonpb.AnyValue {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: n}}
	}
	f, err := strconv.ParseFloat(s, 64)
	whole := !strings.ContainsAny(s, ".eE")
	if err != nil || whole || math.IsInf(f, 0) {
		return textValue(s)
	}
	return &commonpb.AnyValue{Value: &commonpb.AnyValue_DoubleValue{DoubleValue: f}}
}

// keyText returns a key as it is meant.
func keyText(raw []byte) string {
	s := string(raw)
	if strings.ContainsRune(s, '\\') {
		s = jsonwalk.At([]byte(`"` + s + `"`)).Text()
	}
	return strings.ToValidUTF8(s, "\ufffd")
}
