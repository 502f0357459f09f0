package trace

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/fairlead-dev/fairlead/internal/credentials"
	"github.com/fairlead-dev/fairlead/internal/httpdest"
	"github.com/fairlead-dev/fairlead/internal/spec"
)

// receivers are what spans can be sent to.
var receivers = spec.Table{
	Family: "trace receiver",
	Forms: []spec.Form{{
		Scheme: "otlp", Usage: "otlp:http://HOST[:PORT][/PATH]", Rest: spec.HTTP,
		Summary:     "spans by OTLP over HTTP, in protobuf; with TLS as https://",
		Credentials: "token-file or header-file",
		Params: slices.Concat([]spec.Param{
			{Name: "token-file", Type: spec.File, Meaning: "file with a bearer token; read again when it is replaced"},
			{Name: "header-file", Type: spec.File, Meaning: "file with headers, one NAME: VALUE a line; read again when it is replaced"},
		}, credentials.Params()),
	}},
}

// Endpoint is a receiver.
type Endpoint struct {
	url                   string
	tokenFile, headerFile string
	tls                   credentials.TLS
}

// ParseEndpoint reads otlp:http://HOST[:PORT][/PATH], or with https, with the parameters
// of a sink of OTLP for credentials and TLS. The path is /v1/traces if there is none. It
// reports every mistake, shows no credential, and connects to nothing.
func ParseEndpoint(text string) (*Endpoint, error) {
	_, v, err := receivers.Parse(text)
	if err != nil {
		return nil, err
	}
	e := &Endpoint{tokenFile: v.Str("token-file"), headerFile: v.Str("header-file")}
	var errs []error
	var scheme string
	if scheme, e.tls, err = credentials.HTTPOf(v); err != nil {
		errs = append(errs, err)
	}
	if len(v.Hosts) > 1 {
		errs = append(errs, errors.New("several hosts are given; a receiver is one, or has a balancer before it"))
	}
	if err := v.Explain(errs...); err != nil {
		return nil, err
	}
	path := v.Path
	if strings.Trim(path, "/") == "" {
		path = "/v1/traces"
	}
	e.url = scheme + v.Hosts[0] + (&url.URL{Path: path}).EscapedPath()
	return e, nil
}

// client returns what sends to it. It reads the files that it names.
func (e *Endpoint) client(userAgent string) (*httpdest.Client, error) {
	c, err := httpdest.New(httpdest.Options{
		URL: e.url, TokenFile: e.tokenFile, HeaderFile: e.headerFile, TLS: e.tls,
		Header: http.Header{"Content-Type": {contentType}, "User-Agent": {userAgent}},
		Gzip:   true, Timeout: requestTimeout, Connections: 1, MaxAnswer: maxAnswer,
	})
	if err != nil {
		return nil, err
	}
	if err := c.ReadFiles(); err != nil {
		return nil, err
	}
	return c, nil
}
