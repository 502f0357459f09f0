package s3_test

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
	"github.com/fairlead-dev/fairlead/sinks/s3"
	"github.com/fairlead-dev/fairlead/sinks/sinktest"
)

var kinds = sinks.Kinds{s3.Kind()}

func TestKind(t *testing.T) {
	form := s3.Kind().Form
	if err := form.Validate(); err != nil {
		t.Error(err)
	}
	spec, err := kinds.Parse("s3://S3.example:9000/audit/a/b/?size=1Mi&age=1m&batch=7&region=eu-1&compression=none&path-style=false")
	if err != nil {
		t.Fatal(err)
	}
	if spec.Identity != "s3://s3.example:9000/audit/a/b" || spec.MaxBytes != 1<<20 || spec.Linger != time.Minute || spec.MinBatch != 7 || spec.MaxBatch != 7 {
		t.Errorf("%+v", spec)
	}
	// It is nowhere, which is no error of Open.
	sink, err := spec.Open(t.Context(), sinks.Env{Registerer: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	if err := sink.(io.Closer).Close(); err != nil {
		t.Error(err)
	}
}

func TestKindRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"s3://h":                   "no bucket follows the host",
		"s3://h/B_":                "bucket's name",
		"s3://a,b/bucket":          "a store is one",
		"s3://key:secret@h/bucket": "credentials",
		"s3://h/bucket/a/../b":     "the prefix",
		"s3://h/bucket//a":         "the prefix",
		"s3://h/bucket/" + strings.Repeat("x", 129):          "more than 128 bytes",
		"s3://h/bucket?credentials=file":                     "needs credentials-file",
		"s3://h/bucket?credentials-file=/x":                  "of no use with credentials=environment",
		"s3://h/bucket?credentials=web-identity&profile=x":   "of no use with credentials=web-identity",
		"s3://h/bucket?tls=false&ca=/x":                      "of no use with tls=false",
		"s3://127.0.0.1/bucket?path-style=false":             "cannot stand before an address",
		"s3://h/bucket?size=1":                               "size",
		"s3://h/bucket?credentials=imds":                     "none of environment, file, web-identity",
		"s3://h/bucket?credentials=web-identity&cert=/x/crt": "cert is given without key",
	} {
		_, err := kinds.Parse(text)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "key:secret") {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func TestMetricsOfASinkThatIsNotMade(t *testing.T) {
	sinktest.RunMetrics(t, func(r prometheus.Registerer) (pipeline.Sink, error) {
		return s3.New(s3.Options{Host: "127.0.0.1:1", Bucket: "changes", Credentials: keys("a", "b"), Registerer: r})
	})
}
