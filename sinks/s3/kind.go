package s3

import (
	"context"
	"crypto/tls"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-dev/fairlead/internal/credentials"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
)

// Bounds of the durations that a text may give.
const (
	leastTimeout = time.Second
	maxAge       = time.Hour
)

// Kind returns the kind of sink that is chosen by s3://HOST/BUCKET/PREFIX. Its identity is
// that, without parameters.
func Kind() sinks.Kind {
	return sinks.Kind{
		Form: sinks.Form{
			Scheme: "s3", Usage: "s3://HOST[:PORT]/BUCKET[/PREFIX]",
			Summary:     "segments of CloudEvents as JSON lines, compressed, in a bucket of S3 or of a store that speaks its protocol",
			Rest:        sinks.URL,
			Credentials: "credentials and credentials-file",
			Params: slices.Concat([]sinks.Param{
				{Name: "region", Default: defaultRegion, Meaning: "region of the bucket; stores that have none take the default"},
				{Name: "credentials", Type: sinks.Choice, Choices: []string{"environment", "file", "web-identity"}, Default: "environment", Meaning: "where keys come from: AWS_ACCESS_KEY_ID and its like, `credentials-file`, or a token that the STS of AWS takes (IRSA)"},
				{Name: "credentials-file", Type: sinks.File, Meaning: "file with keys as the AWS command line has it, read for each segment; with credentials=file"},
				{Name: "profile", Default: "default", Meaning: "profile in `credentials-file`"},
				{Name: "token-file", Type: sinks.File, Meaning: "file with the token, read again when keys expire; that of AWS_WEB_IDENTITY_TOKEN_FILE if not given; with credentials=web-identity"},
				{Name: "role-arn", Meaning: "role to take; that of AWS_ROLE_ARN if not given; with credentials=web-identity"},
				{Name: "sts", Meaning: "URL of the STS; that of the region at AWS if not given; with credentials=web-identity"},
				{Name: "size", Type: sinks.Bytes, Default: "8Mi", Min: 64 << 10, Max: 512 << 20, Meaning: "size of a batch, before compression, at which it is written"},
				{Name: "age", Type: sinks.Duration, Default: "10s", Min: 0, Max: int64(maxAge), Meaning: "how long after a write a smaller batch waits for more"},
				{Name: "batch", Type: sinks.Integer, Unit: "changes", Default: "10000", Min: 1, Max: 1_000_000, Meaning: "changes at which a batch is written"},
				{Name: "compression", Type: sinks.Choice, Choices: []string{"zstd", "none"}, Default: "zstd", Meaning: "how segments are compressed"},
				{Name: "checksum", Type: sinks.Choice, Choices: []string{"crc32c", "none"}, Default: "crc32c", Meaning: "checksum of a segment that the store verifies"},
				{Name: "path-style", Type: sinks.Bool, Meaning: "whether the bucket's name stands in the path, or else in the name of the host; at Amazon it is the latter if not given, elsewhere the former"},
				{Name: "tls", Type: sinks.Bool, Default: "true", Meaning: "whether connections are encrypted and the store is verified"},
				{Name: "timeout", Type: sinks.Duration, Default: DefaultTimeout.String(), Min: int64(leastTimeout), Max: int64(maxAge), Meaning: "how long the writing of a segment may take"},
			}, credentials.Params()),
		},
		Parse: parse,
	}
}

func parse(v *sinks.Value) (*sinks.Spec, error) {
	bucket, prefix, _ := strings.Cut(strings.TrimPrefix(v.Path, "/"), "/")
	prefix = strings.TrimSuffix(prefix, "/")
	o := Options{
		Host: v.Hosts[0], Bucket: bucket, Prefix: prefix, Region: v.Str("region"), Timeout: v.Duration("timeout"),
		PathStyle: v.Given("path-style") && v.Bool("path-style"), HostStyle: v.Given("path-style") && !v.Bool("path-style"),
		NoCompression: v.Str("compression") == "none", NoChecksum: v.Str("checksum") == "none",
	}
	var errs []error
	if len(v.Hosts) > 1 {
		errs = append(errs, errors.New("several hosts are given; a store is one"))
	}
	if bucket == "" {
		errs = append(errs, errors.New("no bucket follows the host; write s3://HOST/BUCKET"))
		o.Bucket = "none"
	}
	files, err := credentials.TLSOf(v)
	errs = append(errs, err)
	if v.Bool("tls") {
		o.TLS = func(host string) (*tls.Config, error) { return files.For(host).Late() }
	} else if !files.IsZero() {
		errs = append(errs, errors.New("ca, cert, key and server-name are of no use with tls=false; leave out one or the other"))
	}
	o.Credentials, err = sourceOf(v)
	errs = append(errs, err, o.check())
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	identity := "s3://" + v.Hosts[0] + "/" + bucket
	if prefix != "" {
		identity += "/" + prefix
	}
	batch := int(v.Int("batch"))
	return &sinks.Spec{
		Identity: identity,
		MinBatch: batch, MaxBatch: batch, MaxBytes: int(v.Int("size")), Linger: v.Duration("age"),
		Open: func(_ context.Context, env sinks.Env) (pipeline.Sink, error) {
			o := o
			o.UserAgent, o.Registerer = env.UserAgent, env.Registerer
			s, err := New(o)
			if err != nil {
				return nil, err // not a nil *Sink
			}
			return s, nil
		},
	}, nil
}

// sourceOf returns where the keys come from. What is returned with an error is good
// enough for other checks.
func sourceOf(v *sinks.Value) (Source, error) {
	kind := v.Str("credentials")
	var errs []error
	only := func(names ...string) {
		for _, name := range names {
			if v.Given(name) {
				errs = append(errs, errors.New(name+" is of no use with credentials="+kind))
			}
		}
	}
	switch kind {
	case "file":
		if v.Str("credentials-file") == "" {
			errs = append(errs, errors.New("credentials=file needs credentials-file"))
		}
		only("token-file", "role-arn", "sts")
		return FromFile(v.Str("credentials-file"), v.Str("profile")), errors.Join(errs...)
	case "web-identity":
		only("credentials-file", "profile")
		return FromWebIdentity(v.Str("token-file"), v.Str("role-arn"), v.Str("sts"), v.Str("region")), errors.Join(errs...)
	}
	only("credentials-file", "profile", "token-file", "role-arn", "sts")
	return FromEnvironment(), errors.Join(errs...)
}
