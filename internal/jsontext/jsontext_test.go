package jsontext

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestPortable(t *testing.T) {
	nested := func(n int) string { return strings.Repeat(`[{"a":`, n/2) + "0" + strings.Repeat("}]", n/2) }
	for text, want := range map[string]bool{
		`{"a":["b",1,-2.5,true,null],"c":{}}`: true,
		`"é 名前 😀"`:                            true,
		`"\ud83d\ude00 \uD83D\uDE00 \u0000"`:  true,
		`"\\ud800"`:                           true,
		"\"\xff\"":                            false,
		"\"\xed\xa0\x80\"":                    false, // a surrogate, encoded
		`"\ud800"`:                            false,
		`"\udc00"`:                            false,
		`"\ud83dx\ude00"`:                     false,
		`"\ud83d\n"`:                          false,
		`"\ud83d\ud83d\ude00"`:                false,
		`"\ud83d\ude00\ude00"`:                false,
		`{"\udfff":1}`:                        false,
		`1e308`:                               true,
		`-1E+309`:                             false,
		`[1e-999]`:                            true,
		strings.Repeat("9", 308):              true,
		strings.Repeat("9", 310):              false,
		"0." + strings.Repeat("1", 5000):      true,
		strings.Repeat("1", 5000):             false,
		nested(MaxDepth - 1):                  true,
		nested(MaxDepth + 1):                  false,
	} {
		if !json.Valid([]byte(text)) {
			t.Fatalf("%.100s is not even JSON", text)
		}
		if got := Portable([]byte(text)); got != want {
			t.Errorf("Portable(%.100s) = %t, want %t", text, got, want)
		}
	}
	if !Portable([]byte(`{"a":"x",`), []byte(`"b":[1]}`)) || Portable([]byte(strings.Repeat("[", 60)), []byte(strings.Repeat("[", 60))) {
		t.Error("pieces are not one value")
	}
}

// FuzzPortable holds the check against a decoder: a portable text comes back
// from encoding/json without anything replaced, and what is not portable is so
// for a reason that the decoder shows, too.
func FuzzPortable(f *testing.F) {
	for _, text := range []string{`{"a":["b",1e5]}`, `"\ud83d\ude00"`, `"\ud800"`, "\"\xff\"", `1e999`, `"\ufffd"`, `"\u005cud800"`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if !json.Valid(text) || bytes.ContainsRune(text, utf8.RuneError) || strings.Contains(strings.ToLower(string(text)), "fffd") {
			return // U+FFFD that was there before cannot be told from what the decoder replaces
		}
		d := json.NewDecoder(strings.NewReader(string(text)))
		d.UseNumber()
		want, depth := utf8.Valid(text), 0
		for {
			token, err := d.Token()
			if err != nil {
				break
			}
			switch token := token.(type) {
			case json.Delim:
				if token == '{' || token == '[' {
					depth++
				} else {
					depth--
				}
				want = want && depth <= MaxDepth
			case string:
				want = want && !strings.ContainsRune(token, utf8.RuneError)
			case json.Number:
				x, err := strconv.ParseFloat(token.String(), 64)
				want = want && err == nil && !math.IsInf(x, 0)
			}
		}
		if got := Portable(text); got != want {
			t.Errorf("Portable(%q) = %t, want %t", text, got, want)
		}
	})
}

func TestUnmarshalRefuses(t *testing.T) {
	var v struct{ A, B string }
	if err := Unmarshal([]byte(` {"a":"x","b":"y","c":{"D":1,"D":2}} `+"\n"), &v); err != nil || v.A != "x" || v.B != "y" {
		t.Fatalf("%+v, %v", v, err)
	}
	for _, text := range []string{
		``, `[]`, `"a"`, `null`, `{`, `{"a":"x"`, `{"a":"x"}{}`, `{"a":"x"}]`, `{"a":"x",}`, `{"a":"x","a":"y"}`, `{"a":"x","\u0061":"y"}`,
		`{"A":"x"}`, `{"":"x"}`, `{"a b":1}`, `{"ſ":1}`, "{\"a\":\"\xff\"}", `{"a":1}`, `{"a":}`,
	} {
		if err := Unmarshal([]byte(text), &v); err == nil {
			t.Errorf("%s was taken for %+v", text, v)
		}
	}
}

func TestAppendStringIsAsEncodingJSONHasIt(t *testing.T) {
	for _, s := range []string{"", "a", "\"\\\n\x00\x1f\x7f", "\xff\xfe", "é\u2028", "\ufffd", "a\xc3"} {
		var back string
		if err := json.Unmarshal(AppendString(nil, s), &back); err != nil || back != strings.ToValidUTF8(strings.ReplaceAll(s, "\xff\xfe", "\ufffd\ufffd"), "\ufffd") {
			t.Errorf("%q came back as %q, %v", s, back, err)
		}
	}
}

// Eight bytes are looked at at once: a byte that needs an escape is found wherever it stands.
func TestAppendEscapedFindsEachByte(t *testing.T) {
	for length := 1; length <= 25; length++ {
		for at := range length {
			for b := range 256 {
				text := []byte(strings.Repeat("a", length))
				text[at] = byte(b)
				var want []byte
				switch {
				case b < ' ':
					want = fmt.Appendf(nil, `\u%04x`, b)
				case b == '"', b == '\\':
					want = []byte{'\\', byte(b)}
				case b >= utf8.RuneSelf:
					want = []byte(`\ufffd`)
				default:
					want = []byte{byte(b)}
				}
				whole := string(text[:at]) + string(want) + string(text[at+1:])
				if got := string(AppendEscaped(nil, string(text))); got != whole {
					t.Fatalf("%q became %s, want %s", text, got, whole)
				}
			}
		}
	}
}
