package mysql_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-dev/fairlead/locks"
	"github.com/fairlead-dev/fairlead/locks/mysql"
)

func TestKind(t *testing.T) {
	kinds := []locks.Kind{mysql.Kind()}
	if err := locks.NewTable(kinds).Validate(); err != nil {
		t.Error(err)
	}
	s, err := locks.Parse(kinds, "mysql://me@DB-1:3307/fairlead?table=own&name=x")
	if err != nil || s.Identity != "mysql://db-1:3307/fairlead/own/x" || s.NeedsHub {
		t.Fatalf("%+v, %v", s, err)
	}
	l, err := s.Open(t.Context(), locks.Env{Identity: "i", UserAgent: "fairlead/1 (a:b,c)"})
	if err != nil || l.Identity() != "i" || l.Describe() != s.Identity {
		t.Errorf("%v, %v", l, err)
	}
	if _, ok := l.(locks.Fenced); !ok {
		t.Error("it gives no fencing token")
	}
	if _, err := s.Open(t.Context(), locks.Env{}); err == nil {
		t.Error("it opens for nobody")
	}
	for text, wants := range map[string][]string{
		"mysql:db":                       {"two slashes", "mysql://USER@HOST"},
		"mysql://db":                     {"no user", "one database"},
		"mysql://me:hunter2@db/x":        {"give password-file instead"},
		"mysql://me@db/x?password=h":     {"give password-file instead"},
		"mysql://me@a,b/x":               {"several hosts"},
		"mysql://me@db/x/y":              {"one database"},
		"mysql://me@db/x?table=A":        {"the table is not of letters"},
		"mysql://me@db/x?table=a%60b":    {"the table is not of letters"},
		"mysql://me@db/x?tls=maybe":      {"neither true nor false"},
		"mysql://me@db/x?cert=a":         {"cert is given without key"},
		"mysql://me@db/x?ca=a&tls=false": {"of no use with tls=false"},
	} {
		_, err := locks.Parse(kinds, text)
		for _, want := range wants {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want an error with %q", text, err, want)
			}
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error shows the password: %v", text, err)
		}
	}
	missing := filepath.Join(t.TempDir(), "none")
	for _, text := range []string{"mysql://me@db/x?password-file=" + missing, "mysql://me@db/x?ca=" + missing} {
		s, err := locks.Parse(kinds, text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Open(t.Context(), locks.Env{Identity: "i"}); err == nil || !strings.Contains(err.Error(), missing) {
			t.Errorf("%s: %v, want an error about the file", text, err)
		}
	}
}
