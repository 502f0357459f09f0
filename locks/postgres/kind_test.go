package postgres_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-dev/fairlead/locks"
	"github.com/fairlead-dev/fairlead/locks/postgres"
)

func TestKind(t *testing.T) {
	// What clients of PostgreSQL take from the environment does not count here.
	for name, value := range map[string]string{"PGHOST": "elsewhere", "PGUSER": "somebody", "PGPASSWORD": "hunter2", "PGSSLMODE": "require"} {
		t.Setenv(name, value)
	}
	kinds := []locks.Kind{postgres.Kind()}
	if err := locks.NewTable(kinds).Validate(); err != nil {
		t.Error(err)
	}
	s, err := locks.Parse(kinds, "postgres://me@db-1:5433,DB-2/fairlead?table=own.locks&name=x")
	if err != nil || s.Identity != "postgres://db-1:5433,db-2/fairlead/own.locks/x" || s.NeedsHub {
		t.Fatalf("%+v, %v", s, err)
	}
	l, err := s.Open(t.Context(), locks.Env{Identity: "i"})
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
		"postgres:db":                             {"two slashes", "postgres://USER@HOST"},
		"postgres://db":                           {"no user", "one database"},
		"postgres://me:hunter2@db/x":              {"give password-file instead"},
		"postgres://me@db/x?password=h":           {"give password-file instead"},
		"postgres://me@db/x/y":                    {"one database"},
		"postgres://me@db/x?table=A":              {"the table is not TABLE or SCHEMA.TABLE"},
		"postgres://me@db/x?table=a.b.c":          {"the table is not TABLE or SCHEMA.TABLE"},
		"postgres://me@db/x?table=a%22b":          {"the table is not TABLE or SCHEMA.TABLE"},
		"postgres://me@db/x?sslmode=prefer":       {"none of verify-full, disable"},
		"postgres://me@db/x?cert=a":               {"cert is given without key"},
		"postgres://me@db/x?ca=a&sslmode=disable": {"of no use with sslmode=disable"},
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
	for _, text := range []string{"postgres://me@db/x?password-file=" + missing, "postgres://me@db/x?ca=" + missing} {
		s, err := locks.Parse(kinds, text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Open(t.Context(), locks.Env{Identity: "i"}); err == nil || !strings.Contains(err.Error(), missing) {
			t.Errorf("%s: %v, want an error about the file", text, err)
		}
	}
}
