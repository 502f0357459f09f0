package httpsink

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/fairlead-dev/fairlead/internal/credentials"
	"github.com/fairlead-dev/fairlead/internal/smallfile"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
)

// maxTemplate bounds the file of a template, in bytes.
const maxTemplate = 256 << 10

// Kind returns the kind of sink that is chosen by http://HOST/PATH.
func Kind() sinks.Kind {
	return kind("http", "changes in requests of HTTP: CloudEvents, a format of a store of logs or documents, or a template's text")
}

// SecureKind returns the kind of sink that is chosen by https://HOST/PATH: as Kind, with
// TLS.
func SecureKind() sinks.Kind {
	k := kind("https", "as http://, with TLS")
	k.Params = append(k.Params, credentials.Params()...)
	return k
}

func kind(scheme, summary string) sinks.Kind {
	return sinks.Kind{
		Form: sinks.Form{
			Scheme: scheme, Usage: scheme + "://HOST[:PORT][/PATH]", Summary: summary,
			Rest: sinks.URL, Credentials: "user and password-file", Params: params(),
		},
		Parse: parse,
	}
}

func params() []sinks.Param {
	var choices []string
	for _, f := range formats {
		choices = append(choices, string(f))
	}
	return []sinks.Param{
		{Name: "format", Type: sinks.Choice, Choices: choices, Default: string(Structured), Meaning: "what is sent: a CloudEvent in each request (`structured`, `binary`), several in one (`batch`), the format of a product, or what `template-file` says"},
		{Name: "query", Type: sinks.List, Meaning: "parameters of the URL, each NAME=VALUE; none may be a credential"},
		{Name: "path-file", Type: sinks.File, Meaning: "file that holds the path of the URL, and its query, where that is a secret, as with Slack"},
		{Name: "index", Default: "fairlead", Meaning: "index of `elasticsearch`"},
		{Name: "table", Meaning: "table of `clickhouse`, TABLE or DATABASE.TABLE"},
		{Name: "template-file", Type: sinks.File, Meaning: "file that holds the template of `template`, read at the start"},
		{Name: "join", Type: sinks.Choice, Choices: []string{"none", "array", "ndjson", "concat"}, Default: "none", Meaning: "how the template's texts of several changes are one body; `none` sends each by itself"},
		{Name: "content-type", Meaning: "Content-Type, in place of the format's"},
		{Name: "success", Meaning: "POINTER=VALUE that the answer to a template's request has to hold, as JSON, such as /errors=false"},
		{Name: "items", Meaning: "pointer to the array in the answer to a template's request that has an item for each change"},
		{Name: "item-status", Meaning: "pointer within an item of `items` to its status"},
		{Name: "connections", Type: sinks.Integer, Unit: "requests", Default: strconv.Itoa(DefaultConnections), Min: 1, Max: 256, Meaning: "how many requests may be under way at once, never two with one object"},
		{Name: "max-batch", Type: sinks.Integer, Unit: "changes", Default: "500", Min: 1, Max: 10_000, Meaning: "most changes in a request, for formats that send several"},
		{Name: "max-bytes", Type: sinks.Bytes, Default: "4Mi", Min: 1 << 10, Max: 64 << 20, Meaning: "about the largest request of several changes; less is used once the server has answered 413"},
		{Name: "max-event", Type: sinks.Bytes, Max: 64 << 20, Meaning: "largest change; a larger one is refused for good, and not sent; 0 is no bound, but 256Ki with `victorialogs`, which drops a longer line silently"},
		{Name: "gzip", Type: sinks.Bool, Default: "false", Meaning: "compress requests"},
		{Name: "timeout", Type: sinks.Duration, Default: DefaultTimeout.String(), Min: 1e6, Max: 3600e9, Meaning: "how long a request may take, with its answer"},
		{Name: "dial-timeout", Type: sinks.Duration, Default: DefaultDialTimeout.String(), Min: 1e6, Max: 3600e9, Meaning: "how long a connection may take"},
		{Name: "permanent", Type: sinks.List, Default: "400,413,415,422,431", Meaning: "statuses that refuse a change for good, also in results of single changes; `none` for none. All others are tried again. 431 counts with `binary` only"},
		{Name: "token-file", Type: sinks.File, Meaning: "file that holds a bearer token; of `splunk` that of the collector"},
		{Name: "user", Meaning: "user of basic authentication; with `password-file`"},
		{Name: "password-file", Type: sinks.File, Meaning: "file that holds the password of `user`"},
		{Name: "header-file", Type: sinks.File, Meaning: "file that holds more headers, one line each: NAME: VALUE"},
		{Name: "secret-file", Type: sinks.File, Meaning: "file that holds a secret, whsec_BASE64, by which requests are signed as Standard Webhooks does; a second line is a second secret"},
	}
}

func parse(v *sinks.Value) (*sinks.Spec, error) {
	o := Options{
		Format: Format(v.Str("format")), PathFile: v.Str("path-file"), Index: v.Str("index"), Table: v.Str("table"),
		Join: Join(v.Str("join")), ContentType: v.Str("content-type"), Success: v.Str("success"), Items: v.Str("items"), ItemStatus: v.Str("item-status"),
		Connections: int(v.Int("connections")), MaxEvent: int(v.Int("max-event")), Gzip: v.Bool("gzip"),
		Timeout: v.Duration("timeout"), DialTimeout: v.Duration("dial-timeout"),
		TokenFile: v.Str("token-file"), User: v.Str("user"), PasswordFile: v.Str("password-file"),
		HeaderFile: v.Str("header-file"), SecretFile: v.Str("secret-file"),
	}
	_, path, _ := strings.Cut(strings.TrimPrefix(v.Rest, "//"), "/")
	base := v.Scheme + "://" + v.Hosts[0]
	if path != "" {
		base += "/" + path // with the slash at its end, if there is one
	}
	var errs []error
	if len(v.Hosts) > 1 {
		errs = append(errs, errors.New("several hosts are given; write one, which may be that of a load balancer"))
	}
	query, err := parseQuery(v.List("query"))
	errs = append(errs, err)
	o.URL = base + query
	if o.Permanent, err = parseStatuses(v.List("permanent")); err != nil {
		errs = append(errs, err)
	}
	if v.Scheme == "https" {
		files, err := credentials.TLSOf(v)
		errs = append(errs, err)
		o.CAFile, o.CertFile, o.KeyFile, o.ServerName = files.CA, files.Cert, files.Key, files.ServerName
	}
	file := v.Str("template-file")
	if (o.Format == Template) != (file != "") {
		errs = append(errs, errors.New("format=template and template-file go together; give both or none"))
	}
	o = o.withDefaults()
	_, err = o.check()
	if err := errors.Join(append(errs, err)...); err != nil {
		return nil, err
	}
	s := &sinks.Spec{
		Identity: identity(base, &o, file), Concurrency: o.Connections, MaxBatch: int(v.Int("max-batch")), MaxBytes: int(v.Int("max-bytes")),
		Open: func(_ context.Context, env sinks.Env) (pipeline.Sink, error) {
			own := o
			own.UserAgent, own.Registerer, own.Log = env.UserAgent, env.Registerer, env.Log
			if file != "" {
				text, err := smallfile.Read(file, maxTemplate)
				if err != nil {
					return nil, fmt.Errorf("template-file: %w", err)
				}
				own.Template = string(text)
			}
			sink, err := New(own)
			if err != nil {
				return nil, err // not a nil *Sink
			}
			return sink, nil
		},
	}
	if single(&o) {
		// More would wait behind the others without being sent.
		s.MaxBatch = 64
	}
	return s, nil
}

// identity names a destination: two indices of one server are two, and so are two shapes
// of documents. The modes of CloudEvents carry the same, so they are one.
func identity(base string, o *Options, template string) string {
	var parts []string
	add := func(name, value string) {
		if value != "" {
			parts = append(parts, name+"="+value)
		}
	}
	switch o.Format {
	case Structured, Binary, Batch:
	case Elasticsearch:
		add("format", string(o.Format))
		add("index", o.Index)
	default:
		add("format", string(o.Format))
		add("table", o.Table)
		add("template-file", template)
	}
	add("path-file", o.PathFile)
	if len(parts) == 0 {
		return base
	}
	return base + "?" + strings.Join(parts, "&")
}

// single reports whether each change has a request of its own.
func single(o *Options) bool {
	return slices.Contains([]Format{Structured, Binary, Slack}, o.Format) || o.Format == Template && o.Join == JoinNone
}
