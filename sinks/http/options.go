package httpsink

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-dev/fairlead/internal/credentials"
	"github.com/fairlead-dev/fairlead/internal/httpdest"
)

// The defaults of Options.
const (
	DefaultConnections = 4
	DefaultTimeout     = 30 * time.Second
	DefaultDialTimeout = 5 * time.Second
)

// DefaultPermanent are the statuses by which a server says that it will never take what
// was sent, whenever and by whomever. 431 counts with Binary only, which has headers of
// the change.
var DefaultPermanent = []int{400, 413, 415, 422, 431}

// Join says how a template's texts of several changes become the body of a request.
type Join string

// The ways to join texts.
const (
	JoinNone   Join = "none"   // one change in each request
	JoinArray  Join = "array"  // a JSON array
	JoinNDJSON Join = "ndjson" // one line for each
	JoinConcat Join = "concat" // one behind the other
)

// Options say where changes go, and how. URL is required. A field with the name of a
// file is the path of one that is read again when it was replaced.
type Options struct {
	// URL is http[s]://HOST[:PORT][/PATH][?QUERY]. It holds no credential. A format that
	// has a path of its own is sent there if URL has none.
	URL string
	// PathFile holds the path of the URL, with its query, if that is a secret; URL has
	// none then. It is in no error.
	PathFile string
	// Format says what is sent. Empty: Structured.
	Format Format

	// Index is that of Elasticsearch. Empty: fairlead.
	Index string
	// Table is that of ClickHouse, TABLE or DATABASE.TABLE.
	Table string

	// Template is the text of the template, of package text/template. See view.go for
	// what it is given.
	Template string
	// Join says how its texts are put together. Empty: JoinNone.
	Join Join
	// ContentType replaces that of the format. Of a template: empty is application/json,
	// or application/x-ndjson.
	ContentType string
	// Success is POINTER=VALUE: what has to stand in an answer of JSON, by a pointer as
	// of RFC 6901. Empty: the status is enough. For templates.
	Success string
	// Items is the pointer to an array in the answer, with an item for each change in
	// their order; ItemStatus that within an item to its status of HTTP. For templates.
	Items, ItemStatus string

	// Connections is how many requests may be under way at once. Zero:
	// DefaultConnections. As many goroutines may call Write.
	Connections int
	// Timeout is how long a request may take, with the reading of its answer. Zero:
	// DefaultTimeout.
	Timeout time.Duration
	// DialTimeout is how long a connection may take, and then TLS. Zero:
	// DefaultDialTimeout.
	DialTimeout time.Duration
	// Gzip compresses bodies.
	Gzip bool
	// MaxEvent is the largest change that is sent, in bytes as it is written; a larger
	// one is refused for good. Zero: no bound, but that of the format.
	MaxEvent int
	// Permanent are the statuses with which the server refuses for good, also those of
	// single changes in an answer. Nil: DefaultPermanent, but for an answer that is known to be
	// about how the server or the sink is set up.
	Permanent []int

	// TokenFile holds a bearer token. User and PasswordFile are for basic authentication.
	TokenFile, User, PasswordFile string
	// HeaderFile holds more headers, one line each: NAME: VALUE.
	HeaderFile string
	// SecretFile holds secrets that sign requests as Standard Webhooks does, one line
	// each: whsec_BASE64. With two, both sign.
	SecretFile string
	// CAFile, CertFile, KeyFile and ServerName are for https: who signs the server's
	// certificate, the client's own, and the name in the server's. All may be empty.
	CAFile, CertFile, KeyFile, ServerName string

	// UserAgent names the program to the server.
	UserAgent string
	// Log hears of files with credentials that cannot be read any more. The zero value
	// drops that.
	Log logr.Logger
	// Registerer takes the sink's metrics. Nil: nothing is counted.
	Registerer prometheus.Registerer
}

func (o Options) withDefaults() Options {
	o.Format = cmp.Or(o.Format, Structured)
	o.Index = cmp.Or(o.Index, "fairlead")
	o.Join = cmp.Or(o.Join, JoinNone)
	o.Connections = cmp.Or(max(o.Connections, 0), DefaultConnections)
	o.Timeout = cmp.Or(max(o.Timeout, 0), DefaultTimeout)
	o.DialTimeout = cmp.Or(max(o.DialTimeout, 0), DefaultDialTimeout)
	if o.Permanent == nil {
		o.Permanent = DefaultPermanent
	}
	return o
}

func (o *Options) tls() credentials.TLS {
	return credentials.TLS{CA: o.CAFile, Cert: o.CertFile, Key: o.KeyFile, ServerName: o.ServerName}
}

func errUnknownFormat(f Format) error {
	return fmt.Errorf("format %q is not known; it is one of %v", f, formats)
}

// check reports all that does not go together, and reads no file.
func (o *Options) check() (*url.URL, error) {
	u, err := httpdest.ParseURL(o.URL)
	errs := []error{err}
	bad := func(is bool, text string) {
		if is {
			errs = append(errs, errors.New(text))
		}
	}
	template := o.Format == Template
	bad(!slices.Contains(formats, o.Format), errUnknownFormat(o.Format).Error())
	bad(!indexSyntax.MatchString(o.Index), "index is none of Elasticsearch: lower-case letters, digits, dots, dashes and underscores, beginning with a letter or digit")
	bad(o.Format == ClickHouse && !tableSyntax.MatchString(o.Table), errTable.Error())
	bad(o.Format != ClickHouse && o.Table != "", "table is for format=clickhouse")
	bad(!template && (o.Join != JoinNone || o.Success != "" || o.Items != "" || o.ItemStatus != ""), "join, success, items and item-status are for format=template")
	bad((o.Items == "") != (o.ItemStatus == ""), "items and item-status go together; give both or none")
	bad(o.Success != "" && !strings.Contains(o.Success, "="), "success is no POINTER=VALUE, such as /errors=false")
	for _, p := range []string{o.Success, o.Items, o.ItemStatus} {
		bad(p != "" && p[0] != '/', "success, items and item-status begin with a slash, such as /items")
	}
	bad((o.User == "") != (o.PasswordFile == ""), "user and password-file go together; give both or none")
	bad(strings.Contains(o.User, ":"), "a user of basic authentication has no colon")
	bad(strings.ContainsFunc(o.ContentType, func(r rune) bool { return r < ' ' || r > '~' }), "content-type has a character that no header has")
	bad(o.User != "" && o.TokenFile != "", "user and token-file are two ways to authenticate; give one")
	bad(o.Gzip && o.SecretFile != "", "gzip and secret-file do not go together: receivers disagree about which bytes are signed; leave out one")
	bad(o.Format == Binary && o.SecretFile != "", "secret-file signs the body, and format=binary has what counts in headers; use format=structured or format=batch")
	bad(o.Format == ClickHouse && o.PathFile != "", "the format clickhouse has its statement in the query of the URL, which path-file would replace; give header-file, or user and password-file")
	for _, status := range o.Permanent {
		bad(status < 400 || status > 599, fmt.Sprintf("permanent: %d is no status of an error, from 400 to 599", status))
	}
	if u != nil {
		bad(u.Scheme == "http" && !o.tls().IsZero(), "ca, cert, key and server-name are for TLS; write https:// in place of http://")
		bad(o.PathFile != "" && (strings.Trim(u.Path, "/") != "" || u.RawQuery != ""), "path-file holds the path and the query; leave them out of the URL")
		bad(o.Format == Slack && o.PathFile == "" && strings.HasPrefix(u.Path, "/services/"), "the path of a webhook of Slack is a credential; write it into a file, leave it out of the URL, and give path-file")
	}
	return u, errors.Join(errs...)
}
