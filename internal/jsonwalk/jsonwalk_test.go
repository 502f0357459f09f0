package jsonwalk

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// decode is what encoding/json makes of the value, walked over in place. Of keys
// that stand twice encoding/json takes the last one; so do the maps here.
func decode(t *testing.T, v Value) any {
	t.Helper()
	switch v.Kind() {
	case Null:
		return nil
	case Bool:
		return v.True()
	case Number:
		return json.Number(v.Bytes())
	case String:
		return v.Text()
	case List:
		list := []any{}
		e := v.Elements()
		for e.Next() {
			list = append(list, decode(t, e.Value))
		}
		if !bytes.Equal(e.After(), v.After()) {
			t.Errorf("behind the list %.100q stands %.20q, want %.20q", v, e.After(), v.After())
		}
		return list
	case Object:
		object := map[string]any{}
		m := v.Members()
		for m.Next() {
			object[(Value(`"` + string(m.Key) + `"`)).Text()] = decode(t, m.Value)
		}
		if !bytes.Equal(m.After(), v.After()) {
			t.Errorf("behind the object %.100q stands %.20q, want %.20q", v, m.After(), v.After())
		}
		return object
	}
	t.Fatalf("no value: %.100q", v)
	return nil
}

// What is walked over is what a decoder makes of it, and text that is no JSON makes
// no walk fail or go on for ever.
func FuzzWalk(f *testing.F) {
	for _, text := range []string{
		`{}`, `[]`, `null`, ` [ 1 , -2.5e+3 , true,false, null, "a\"]}" ] `, `{"a" : {"b":[[],{},[{}]]}, "\u0061":"\\", "é":"12345678\"90" }`,
		`{"` + strings.Repeat(`\"]\\`, 40) + `":[{"}` + strings.Repeat(`\\`, 64) + `":1},2]}`, `[{"y_Y\u007f[]{}":"é\uFFFF` + strings.Repeat("{", 200) + `"}]`,
		`{"a":`, `{"a"`, `{"a":1,`, `[1,`, `"abc`, `"\`, `{,}`, `[,]`, `:`, `}`, `{"a" "b"}`, "", " ", `{"a":}`, `{"a":,"b":1}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		v := At(text)
		if !json.Valid(text) {
			visit(v, 0)
			return
		}
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		var want any
		if err := d.Decode(&want); err != nil {
			t.Skip() // nests deeper than the decoder goes
		}
		if diff := cmp.Diff(want, decode(t, v)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
		whole := bytes.TrimSpace(text)
		if got := v.Bytes(); !bytes.Equal(got, whole) {
			t.Errorf("the value is %q, want %q", got, whole)
		}
		// The same at any place of a block, with and without more behind it.
		for shift := range 65 {
			list := "[" + strings.Repeat(" ", shift) + string(text) + "]"
			for _, behind := range []string{"", ",]}" + strings.Repeat("x", 64)} {
				if got := At([]byte(list + behind)).Bytes(); string(got) != list {
					t.Fatalf("the value is %q, want %q", got, list)
				}
			}
		}
	})
}

func visit(v Value, depth int) {
	_, _, _, _ = v.Bytes(), v.After(), v.Raw(), v.Text()
	if depth > 50 {
		return
	}
	for m := v.Members(); m.Next(); {
		visit(m.Value, depth+1)
	}
	for e := v.Elements(); e.Next(); {
		visit(e.Value, depth+1)
	}
}

func TestGet(t *testing.T) {
	v := At([]byte(` {"a":{"b":"x"}, "\u0063": [ ], "d":{ },"e":true,"b":"outside"} `))
	if b := v.Get("a").Get("b"); !b.Is("x") || string(b.Bytes()) != `"x"` {
		t.Errorf("a.b is %q", b)
	}
	for _, key := range []string{"c", "d"} {
		if !v.Get(key).Empty() {
			t.Errorf("%s is not empty: %q", key, v.Get(key))
		}
	}
	for _, none := range []Value{v.Get("x"), v.Get("a").Get("x"), v.Get("e").Get("b"), v.Get("a").Get("b").Get("b")} {
		if none.Kind() != None || none.Is("x") || none.Empty() || len(none.Bytes()) != 0 {
			t.Errorf("found %q", none)
		}
	}
	if v.Empty() || v.Get("e").Empty() || !v.Get("e").True() {
		t.Error("what is there is empty")
	}
}

func TestAllocatesNothing(t *testing.T) {
	v := At([]byte(`{"metadata":{"name":"a"},"spec":{"list":[{"a":1},{"b":"text"}]}}`))
	if n := testing.AllocsPerRun(100, func() {
		for e := v.Get("spec").Get("list").Elements(); e.Next(); {
			_ = e.Value.Get("b").Is("text")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
