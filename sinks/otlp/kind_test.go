package otlp_test

import (
	"io"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
	"github.com/fairlead-dev/fairlead/sinks/otlp"
	"github.com/fairlead-dev/fairlead/sinks/sinktest"
)

var kinds = sinks.Kinds{otlp.Kind()}

func TestKind(t *testing.T) {
	form := otlp.Kind().Form
	if err := form.Validate(); err != nil {
		t.Error(err)
	}
	for text, want := range map[string]string{
		"otlp:http://Collector:4318":                  "otlp:http://collector:4318/v1/logs",
		"otlp:https://c/":                             "otlp:https://c/v1/logs",
		"otlp:https://c/insert/v1/logs?timeout=3s":    "otlp:https://c/insert/v1/logs",
		"otlp:https://c/a%20b?compression=none":       "otlp:https://c/a%20b",
		"otlp:http://c?max-request=1Mi&connections=2": "otlp:http://c/v1/logs",
	} {
		spec, err := kinds.Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if spec.Identity != want {
			t.Errorf("%s is %s, want %s", text, spec.Identity, want)
		}
		// It is nowhere, which is no error of Open.
		sink, err := spec.Open(t.Context(), sinks.Env{Registerer: prometheus.NewRegistry()})
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if err := sink.(io.Closer).Close(); err != nil {
			t.Error(err)
		}
	}
	spec, err := kinds.Parse("otlp:http://c?max-request=1Mi&connections=2")
	if err != nil || spec.MaxBytes != 1<<20 || spec.Concurrency != 2 {
		t.Errorf("%+v, %v", spec, err)
	}
}

func TestKindRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"otlp://c:4317":                    "http:// or https:// must follow",
		"otlp:http://a,b":                  "a receiver is one",
		"otlp:http://u:s3cret@c":           "token-file or header-file",
		"otlp:http://c?ca=/x":              "write https://",
		"otlp:https://c?key=/x":            "key is given without cert",
		"otlp:http://c?compression=snappy": "none of gzip, none",
		"otlp:http://c?token-file=":        "no path of a file",
	} {
		_, err := kinds.Parse(text)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func TestMetricsOfASinkThatIsNotMade(t *testing.T) {
	sinktest.RunMetrics(t, func(r prometheus.Registerer) (pipeline.Sink, error) {
		return otlp.New(otlp.Options{URL: "http://127.0.0.1:1/v1/logs", Registerer: r})
	})
}
