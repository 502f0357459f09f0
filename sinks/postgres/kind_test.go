package postgres_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
	"github.com/fairlead-dev/fairlead/sinks/postgres"
	"github.com/fairlead-dev/fairlead/sinks/sinktest"
)

func parse(text string) (*sinks.Spec, error) { return sinks.Kinds{postgres.Kind()}.Parse(text) }

// opened opens a sink that is closed with the test.
func opened(t testing.TB, spec *sinks.Spec) pipeline.Sink {
	t.Helper()
	s, err := spec.Open(t.Context(), sinks.Env{UserAgent: "fairlead/test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.(*postgres.Sink).Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// replace writes a file that is there.
func replace(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestKind(t *testing.T) {
	// What clients of PostgreSQL take from the environment does not count here.
	for name, value := range map[string]string{"PGHOST": "elsewhere", "PGUSER": "somebody", "PGPASSWORD": "hunter2", "PGSSLMODE": "require"} {
		t.Setenv(name, value)
	}
	if err := (sinks.Kinds{postgres.Kind()}).Table().Validate(); err != nil {
		t.Error(err)
	}
	spec, err := parse("postgres://me@db-1:5433,DB-2/fleet?schema=own&tables=both&batch=32&connections=3")
	if err != nil || spec.Identity != "postgres://db-1:5433,db-2/fleet/own" || spec.MaxBatch != 32 || spec.MinBatch != 32 || spec.Concurrency != 3 {
		t.Fatalf("%+v, %v", spec, err)
	}
	opened(t, spec)
	for text, wants := range map[string][]string{
		"postgres:db":                                          {"two slashes", "postgres://USER@HOST"},
		"postgres://db":                                        {"no user", "one database"},
		"postgres://me:hunter2@db/x":                           {"give password-file instead"},
		"postgres://me@db/x?password=hunter2":                  {"give password-file instead"},
		"postgres://me@db/x?schema=A":                          {"the schema is not of letters in lower case"},
		"postgres://me@db/x?schema=a%22b":                      {"the schema is not of letters in lower case"},
		"postgres://me@db/x?tables=all":                        {"none of state, history, both"},
		"postgres://me@db/x?migrate=yes":                       {"none of auto, check"},
		"postgres://me@db/x?sslmode=prefer":                    {"none of verify-full, disable"},
		"postgres://me@db/x?ca=a&sslmode=disable":              {"of no use with sslmode=disable"},
		"postgres://me@db/x?batch=0":                           {"no whole number from 1"},
		"postgres://me@db/x?timeout=1ms":                       {"no duration from 1s"},
		"postgres://me@db/x?notify=" + strings.Repeat("c", 64): {"the channel to notify"},
	} {
		_, err := parse(text)
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
		spec, err := parse(text)
		if err != nil {
			t.Fatal(err)
		}
		// It may come later, so it is no error of Open.
		sink, err := spec.Open(t.Context(), sinks.Env{})
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if err := sink.(io.Closer).Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestMetricsOfASinkThatIsNotMade(t *testing.T) {
	sinktest.RunMetrics(t, func(r prometheus.Registerer) (pipeline.Sink, error) {
		return postgres.Open(postgres.Options{Hosts: []string{"127.0.0.1:1"}, Database: "d", User: "u", Registerer: r})
	})
}
