package etcd_test

import (
	"io"
	"strings"
	"testing"

	"github.com/fairlead-dev/fairlead/locks"
	"github.com/fairlead-dev/fairlead/locks/etcd"
)

func TestKind(t *testing.T) {
	kinds := []locks.Kind{etcd.Kind()}
	if err := locks.NewTable(kinds).Validate(); err != nil {
		t.Error(err)
	}
	path := file(t, password)
	for text, want := range map[string]string{
		"etcd:http://h1:2379,H2/fairlead/lock":                      "etcd:http://h1:2379,h2/fairlead/lock",
		"etcd:https://h/a%20b?server-name=etcd":                     "etcd:https://h/a b",
		"etcd:http://[::1]:2379/k?user=u:1&password-file=" + path:   "etcd:http://[::1]:2379/k",
		"etcd:http://h//registry/lock?user=u&password-file=" + path: "etcd:http://h//registry/lock",
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
		"etcd:":                              {"http:// or https:// must follow", "etcd:http://HOST:PORT/KEY"},
		"etcd://h:2379/k":                    {"http:// or https:// must follow"},
		"etcd:http://h":                      {"no key follows the hosts"},
		"etcd:http://h/":                     {"no key follows the hosts"},
		"etcd:http://h/k?user=u":             {"user and password-file go together"},
		"etcd:http://h/k?ca=/ca":             {"write https:// in place of"},
		"etcd:https://h/k?cert=/c":           {"cert is given without key"},
		"etcd:https://u:s3cret@h/k":          {"give user and password-file"},
		"etcd:https://h/k?password=s3cret":   {"give user and password-file"},
		"etcd:http://h/" + longKey + "?key=": {"513 bytes", "no path of a file"},
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
