package otlp

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-dev/fairlead/internal/credentials"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
)

// Kind returns the kind of sink that is chosen by otlp:https://HOST:PORT. Its identity is
// that with the path, without parameters.
func Kind() sinks.Kind {
	return sinks.Kind{
		Form: sinks.Form{
			Scheme: "otlp", Usage: "otlp:http://HOST[:PORT][/PATH]",
			Summary:     "log records by OTLP over HTTP, in protobuf, to an OpenTelemetry Collector or its like; with TLS as https://",
			Rest:        sinks.HTTP,
			Credentials: "token-file or header-file",
			Params: slices.Concat([]sinks.Param{
				{Name: "token-file", Type: sinks.File, Meaning: "file with a bearer token; read again when it is replaced"},
				{Name: "header-file", Type: sinks.File, Meaning: "file with headers, one NAME: VALUE a line; read again when it is replaced"},
				{Name: "compression", Type: sinks.Choice, Choices: []string{"gzip", "none"}, Default: "gzip", Meaning: "how requests are compressed"},
				{Name: "body", Type: sinks.Choice, Choices: []string{"json", "map"}, Default: "json", Meaning: "what a record's body is: the object's JSON as a text, or a map, whose fields receivers can address"},
				{Name: "max-request", Type: sinks.Bytes, Default: "3584Ki", Min: 64 << 10, Max: 64 << 20, Meaning: "size of a request before compression; one change always fits"},
				{Name: "connections", Type: sinks.Integer, Unit: "requests", Default: "4", Min: 1, Max: 64, Meaning: "requests that may be under way at once, never two with a change of one object"},
				{Name: "timeout", Type: sinks.Duration, Default: DefaultTimeout.String(), Min: int64(time.Second), Max: int64(time.Hour), Meaning: "how long a request may take, with its answer"},
			}, credentials.Params()),
		},
		Parse: parse,
	}
}

func parse(v *sinks.Value) (*sinks.Spec, error) {
	path := v.Path
	if strings.Trim(path, "/") == "" {
		path = "/v1/logs"
	}
	scheme, files, err := credentials.HTTPOf(v)
	errs := []error{err}
	if len(v.Hosts) > 1 {
		errs = append(errs, errors.New("several hosts are given; a receiver is one, or has a balancer before it"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	target := scheme + v.Hosts[0] + (&url.URL{Path: path}).EscapedPath()
	o := Options{
		URL: target, TokenFile: v.Str("token-file"), HeaderFile: v.Str("header-file"),
		CAFile: files.CA, CertFile: files.Cert, KeyFile: files.Key, ServerName: files.ServerName,
		NoCompression: v.Str("compression") == "none", BodyMap: v.Str("body") == "map", MaxRequest: int(v.Int("max-request")), Timeout: v.Duration("timeout"),
		Connections: int(v.Int("connections")),
	}
	return &sinks.Spec{
		Identity: "otlp:" + target,
		MaxBytes: o.MaxRequest, MaxBatch: 2000, Concurrency: o.Connections,
		Open: func(_ context.Context, env sinks.Env) (pipeline.Sink, error) {
			o := o
			o.UserAgent, o.Registerer, o.Log = env.UserAgent, env.Registerer, env.Log
			s, err := New(o)
			if err != nil {
				return nil, err // not a nil *Sink
			}
			return s, nil
		},
	}, nil
}
