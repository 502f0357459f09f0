package consul_test

import (
	"io"
	"strings"
	"testing"

	"github.com/fairlead-dev/fairlead/locks"
	"github.com/fairlead-dev/fairlead/locks/consul"
)

func TestKind(t *testing.T) {
	kinds := []locks.Kind{consul.Kind()}
	if err := locks.NewTable(kinds).Validate(); err != nil {
		t.Error(err)
	}
	path := file(t, secret)
	for text, want := range map[string]string{
		"consul:http://h1:8500,H2/fairlead/lock":                   "consul:http://h1:8500,h2/fairlead/lock",
		"consul:https://h/a%20b?server-name=c&token-file=" + path:  "consul:https://h/a b",
		"consul:http://[::1]/k?dc=east&namespace=ns&partition=one": "consul:http://[::1]/k?dc=east&ns=ns&partition=one",
	} {
		s, err := locks.Parse(kinds, text)
		if err != nil || s.Identity != want || s.NeedsHub {
			t.Errorf("%s: %+v, %v, want %s", text, s, err, want)
			continue
		}
		l, err := s.Open(t.Context(), locks.Env{Identity: "me"})
		if err != nil || l.Identity() != "me" {
			t.Errorf("%s: %v, %v", text, l, err)
			continue
		}
		if err := l.(io.Closer).Close(); err != nil {
			t.Error(err)
		}
		if _, err := s.Open(t.Context(), locks.Env{}); err == nil {
			t.Errorf("%s: it opens for nobody", text)
		}
	}
	for text, wants := range map[string][]string{
		"consul:":                             {"http:// or https:// must follow", "consul:http://HOST:PORT/KEY"},
		"consul:http://h":                     {"no key follows the hosts"},
		"consul:http://h//k":                  {"a part of the key is empty"},
		"consul:http://h/k/":                  {"a part of the key is empty"},
		"consul:http://h/k?ca=/ca":            {"write https:// in place of"},
		"consul:https://h/k?key=/c":           {"key is given without cert"},
		"consul:https://u:s3cret@h/k":         {"give token-file"},
		"consul:https://h/k?token=s3cret":     {"give token-file"},
		"consul:http://h/" + longKey + "?dc=": {"513 bytes", "is no name"},
	} {
		_, err := locks.Parse(kinds, text)
		for _, want := range wants {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want an error with %q", text, err, want)
			}
		}
		if err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: the error shows a credential: %v", text, err)
		}
	}
}

var longKey = strings.Repeat("k", 513)
