package spec

import (
	"strings"
	"testing"
)

// What is composed of a text and parameters is read as these.
func FuzzCompose(f *testing.F) {
	for _, value := range []string{"x", "a,b", "a&b=c", "?", "100%", "%41", "a+b", "ü;#", " "} {
		f.Add("room:a", value)
		f.Add("path:/a?b", value)
		f.Add("path:/a?name=x", value)
		f.Add("path:/a?nam", value)
		f.Add("path:/a?b=c?", value)
		f.Add("data://h/d", value)
		f.Add("a@b:c", value)
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		i, before, err := places.Parse(text)
		if err != nil || before.HasQuery {
			return
		}
		for _, p := range places.form(i).Params {
			want, err := p.parse(escaper.Replace(value))
			if err != nil {
				continue
			}
			composed, err := Compose(places, text, []Pair{{p.Name, value}})
			if err != nil {
				t.Fatalf("%q with %s=%q: %v", text, p.Name, value, err)
			}
			j, v, err := places.Parse(composed)
			if len(composed) > maxText || err != nil && strings.Contains(err.Error(), "is required") {
				continue
			}
			if err != nil || j != i || v.Rest != before.Rest {
				t.Fatalf("%q is read as %+v, %v; want the rest %q", composed, v, err, before.Rest)
			}
			switch want := want.(type) {
			case string:
				if got := v.Str(p.Name); got != want || got != value {
					t.Errorf("%q: %s is %q, want %q", composed, p.Name, got, value)
				}
			case []string:
				if got := v.List(p.Name); len(got) != 1 || got[0] != value {
					t.Errorf("%q: %s is %q, want %q alone", composed, p.Name, got, value)
				}
			}
		}
	})
}

func TestComposeRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"room:a?doors=1": "parameters follow a question mark in the text",
		"path:a?name=b":  "parameters follow a question mark in the text",
		"rom:a":          `did you mean "room"?`,
	} {
		if _, err := Compose(places, text, []Pair{{"name", "x"}}); err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), "room?", `"room"?`), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	for name, want := range map[string]string{"nam": "did you mean name?", "doors&name": "no proper name", "a\nb": "no proper name", "password": "credential"} {
		if text, err := Compose(places, "path:a", []Pair{{name, "Hunter2"}}); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "Hunter2") {
			t.Errorf("%q: %q, %v, want %q", name, text, err, want)
		}
	}
	if _, err := Compose(places, "data://u:Hunter2@h/d?a=b", []Pair{{"table", "x"}}); err == nil || strings.Contains(err.Error(), "Hunter2") {
		t.Errorf("%v", err)
	}
}
