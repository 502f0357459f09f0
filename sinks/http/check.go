package httpsink

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-dev/fairlead/internal/redact"
	"github.com/fairlead-dev/fairlead/sinks"
)

// maxProbed is how much is read of an answer to a question of Check, in bytes.
const maxProbed = 1 << 20

// answer is what a server makes of a request of Check.
type answer struct {
	status int
	header http.Header
	body   []byte // nil if it has more than maxProbed bytes
}

// spoken are the statuses that mean to a request without a change what they mean to every
// other: it is not the body that they are about.
var spoken = []int{401, 403, 404, 405, 407, 410, 502, 503, 504}

// Check asks the server before there is a change what it would make of one; see
// docs/sinks/http.md for what that is in each format. Formats of products that take a request
// without a change, as others, are sent one, with the credentials. All others (CloudEvents,
// templates, Slack, a path or statement of somebody's own) are sent OPTIONS: Check fails if there
// is no answer, if that is a redirect, or if it says that the credentials are not known; where a
// POST is signed the latter two are a caution, as OPTIONS is not. While a Retry-After lasts
// nothing is asked, which is a caution.
//
// It changes nothing in the destination, and nobody who reads there sees it. What an answer does
// not tell for certain is no error: then the first change tells.
func (s *Sink) Check(ctx context.Context) error {
	now := time.Now()
	pass, err := s.passes.current(now)
	if err != nil {
		return fmt.Errorf("check %s: %w", s.target, err)
	}
	if err := s.passes.trouble(); err != nil {
		return fmt.Errorf("check %s: what is sent is what the files have held before: %w", s.target, err)
	}
	if err := s.pause.err(now); err != nil {
		return sinks.Caution(fmt.Errorf("check %s: it was not asked, as it has asked for a pause: %w", s.target, err))
	}
	q := &questions{s, pass}
	if s.wire.check == nil {
		err = q.options(ctx)
	} else {
		err = s.wire.check(ctx, q)
	}
	if err != nil {
		err = pass.clean.Error(fmt.Errorf("check %s: %w", s.target, err))
	}
	return err
}

// questions sends the requests of one call of Check.
type questions struct {
	s    *Sink
	pass *pass
}

// posting returns what sends a request of a format that holds no change: the server reads it as it
// reads any other, and has nothing to keep.
func posting(body string) func(context.Context, *questions) error {
	return func(ctx context.Context, q *questions) error {
		_, err := q.post(ctx, body)
		return err
	}
}

// post is posting's request. The answer is there if nothing is known to be wrong.
func (q *questions) post(ctx context.Context, body string) (*answer, error) {
	a, err := q.ask(ctx, http.MethodPost, q.pass.url, "", body)
	switch {
	case err != nil:
		return nil, err
	case 300 <= a.status && a.status < 400, slices.Contains(spoken, a.status), q.s.setup(a.status, a.header, a.body) != "":
		return nil, q.refused(http.MethodPost, a)
	}
	return a, nil
}

// refused is the error of an answer, with what to do about it and what the server says.
func (q *questions) refused(method string, a *answer) error {
	advice := q.s.advice(q.pass, a.status, a.header, a.body, false)
	return fmt.Errorf("the server answers %s with %d %s%s%s", method, a.status, http.StatusText(a.status), advice, said(q.pass, a.body, false))
}

// options asks a server of which nothing is known.
func (q *questions) options(ctx context.Context) error {
	a, err := q.ask(ctx, http.MethodOptions, q.pass.url, "", "")
	switch {
	case err != nil:
		return err
	case 200 <= a.status && a.status < 300:
		return sinks.Caution(takesPost(a.header))
	}
	return q.stopped(http.MethodOptions, a)
}

// stopped returns an error if an answer to another method than POST is a redirect, or says that
// the credentials are not known: that holds for all methods.
func (q *questions) stopped(method string, a *answer) error {
	if (a.status < 300 || a.status >= 400) && a.status != http.StatusUnauthorized && a.status != http.StatusProxyAuthRequired {
		return nil
	}
	err := q.refused(method, &answer{status: a.status, header: a.header}) // the text is about the method
	if q.s.o.SecretFile != "" {                                           // what is not signed may be what it does not take
		return sinks.Caution(err)
	}
	return err
}

// takesPost returns an error if a server that has answered OPTIONS names the methods that the
// path takes, and POST is none. One that refuses OPTIONS may name those of one route of several.
func takesPost(header http.Header) error {
	allowed := strings.Join(header.Values("Allow"), ",")
	for method := range strings.SplitSeq(allowed, ",") {
		if method = strings.TrimSpace(method); method == "*" || strings.EqualFold(method, http.MethodPost) {
			return nil
		}
	}
	if strings.Trim(allowed, ", ") == "" {
		return nil
	}
	return fmt.Errorf("the server says that this path takes %s and no POST; check the path of the URL", redact.Line(allowed, 100))
}

// ask sends a request with the credentials; a POST is signed and compressed as one of Write, and
// has its Content-Type unless another is given. It follows no redirect. The error is that there
// was no answer, and says what to do.
func (q *questions) ask(ctx context.Context, method string, u *url.URL, contentType, text string) (*answer, error) {
	s := q.s
	ctx, cancel := context.WithTimeoutCause(ctx, s.o.Timeout, s.late)
	defer cancel()
	header, body := q.pass.header.Clone(), &draft{body: []byte(text)}
	switch {
	case method != http.MethodPost:
		header.Del("Content-Type")
		header.Del("Content-Encoding")
	case contentType != "":
		header.Set("Content-Type", contentType)
	}
	if method == http.MethodPost {
		if len(q.pass.signers) > 0 {
			sign(header, q.pass.signers, nil, body.body, time.Now())
		}
		if s.o.Gzip {
			zipped := &draft{}
			if err := s.zip(zipped, body.body); err != nil {
				return nil, fmt.Errorf("compress: %w", err)
			}
			body = zipped
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(body.body))
	if err != nil {
		return nil, err
	}
	request.URL, request.Header = u, header
	response, err := s.transport.RoundTrip(request)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, unreached(err, false)
	}
	defer response.Body.Close() //nolint:errcheck // It was read, or is of no use.
	a := &answer{status: response.StatusCode, header: response.Header}
	if a.body, err = read(response, maxProbed); err != nil || len(a.body) > maxProbed {
		a.body = nil // it may end within a credential
	}
	return a, nil
}

// look asks for something that is only good to know: nil if there is no answer, or it is none of
// success nor 404.
func (q *questions) look(ctx context.Context, method string, u *url.URL, body string) *answer {
	contentType := ""
	if body != "" {
		contentType = "application/json"
	}
	a, err := q.ask(ctx, method, u, contentType, body)
	if err != nil || a.status != http.StatusOK && a.status != http.StatusNotFound {
		return nil
	}
	return a
}
