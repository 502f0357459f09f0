package jsontext

import (
	"encoding/json"
	"testing"
)

// What is compared in place is what a decoder says.
func FuzzIs(f *testing.F) {
	for _, pair := range [][2]string{
		{"name", "name"}, {`n\u0061me`, "name"}, {`\u006eame`, "name"}, {`a\\u0041`, `a\u0041`}, {`a\u0041`, `a\u0041`},
		{"é", "é"}, {"\xff", "\ufffd"}, {`\ud800`, "\ufffd"}, {"", ""}, {"a", ""}, {"", "a"}, {`\"`, `"`}, {`\/`, "/"},
	} {
		f.Add(pair[0], pair[1])
	}
	f.Fuzz(func(t *testing.T, raw, word string) {
		var text string
		if json.Unmarshal([]byte(`"`+raw+`"`), &text) != nil {
			return
		}
		if got := Unquote([]byte(raw)); got != text {
			t.Errorf("Unquote(%q) = %q, want %q", raw, got, text)
		}
		if got := Is([]byte(raw), word); got != (text == word) {
			t.Errorf("Is(%q, %q) = %t", raw, word, got)
		}
		if !Is([]byte(raw), text) {
			t.Errorf("%q does not mean %q", raw, text)
		}
	})
}
