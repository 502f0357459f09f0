package redact

import (
	"encoding/base64"
	"errors"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestDisguises(t *testing.T) {
	const token = "Canary+Token/0123456789~abc"
	r := New(token)
	in := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	for _, disguise := range []string{
		token, strings.ToUpper(token), strings.ToLower(token), url.QueryEscape(token),
		in(token), in("x" + token), in("xy" + token + "z"), in("Bearer " + token),
		base64.RawURLEncoding.EncodeToString([]byte("Bearer " + token + "?")),
	} {
		got := r.Text(errors.New("a " + disguise + " b"))
		if !strings.HasPrefix(got, "a ") || !strings.HasSuffix(got, " b") || !strings.Contains(got, Redacted) || len(got) > len("a [redacted] b")+20 {
			t.Errorf("%s: %s", disguise, got)
		}
	}
	if got := r.Text(errors.New("nothing of it")); got != "nothing of it" {
		t.Error(got)
	}
	if r.Text(nil) != "" {
		t.Error("nil has a text")
	}
}

func TestTheLastNotedAreRemembered(t *testing.T) {
	r := New()
	for _, secret := range []string{"token-1", "token-2", "token-2", "token-3", "token-4", "token-5", "abc"} {
		r.Note(secret)
	}
	if got := strings.Join(r.noted, " "); got != "token-2 token-3 token-4 token-5" {
		t.Error(got)
	}
	if got := r.Clean("token-1, TOKEN-5 and abc"); got != "token-1, [redacted] and abc" {
		t.Error(got)
	}
}

func TestOutput(t *testing.T) {
	for in, want := range map[string]string{
		`client_secret="hunter2" is wrong`: `client_secret="[redacted]" is wrong`,
		"api-key: 0123456789\t(old)":       "api-key: [redacted] (old)",
		"region=eu-west-1":                 "region=eu-west-1",
	} {
		if got := New().Output(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestCut(t *testing.T) {
	for _, test := range []struct {
		text string
		most int
		want string
	}{
		{"", 3, ""}, {"abc", 3, "abc"}, {"abcd", 3, "..."}, {"abcde", 4, "a..."}, {"éé", 4, "éé"}, {"ééx", 4, "..."}, {"ééx", 5, "ééx"}, {"éééé", 6, "é..."},
	} {
		if got := Cut(test.text, test.most); got != test.want {
			t.Errorf("%q to %d bytes: %q, want %q", test.text, test.most, got, test.want)
		}
	}
	if got := Line("a\nb\x00é\u2028", 500); got != "a b é " {
		t.Errorf("%q", got)
	}
}

func FuzzLine(f *testing.F) {
	f.Add("a\nb\x00é", 4)
	f.Add("\xff\xfe\x1b[31mred", 3)
	f.Fuzz(func(t *testing.T, text string, most int) {
		most = max(most, 3)
		got := Line(text, most)
		if len(got) > most || !utf8.ValidString(got) || strings.ContainsAny(got, "\n\r\x00\x1b") {
			t.Errorf("%q to %d bytes: %q", text, most, got)
		}
	})
}
