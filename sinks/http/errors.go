package httpsink

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/fairlead-dev/fairlead/internal/credentials"
	"github.com/fairlead-dev/fairlead/internal/httpdest"
	"github.com/fairlead-dev/fairlead/internal/reach"
	"github.com/fairlead-dev/fairlead/internal/redact"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// localError is about a change that was not sent.
type localError struct{ error }

func (e *localError) Unwrap() error { return e.error }

func isLocal(err error) bool {
	_, local := errors.AsType[*localError](err)
	return local
}

// about is what the failure of a request is due to.
type about uint8

const (
	ofDestination about = iota // to nothing that was sent
	ofEither                   // to the destination, mostly
	ofChange                   // to a change that was sent, mostly
)

// failure is an error of a request that may be due to what was sent.
type failure struct {
	error
	about about
}

func (e *failure) Unwrap() error { return e.error }

func aboutOf(err error) about {
	if f, ok := errors.AsType[*failure](err); ok {
		return f.about
	}
	return ofDestination
}

// configuration are statuses that no change can be the cause of, whatever it holds.
var configuration = []int{401, 404, 405, 407, 410, 429, 503}

// refusal returns what an answer means that is none of success, with what it says. Of an
// answer to a request with a Secret nothing is shown.
func (s *Sink) refusal(p *pass, status int, header http.Header, answer []byte, secret bool, now time.Time) error {
	patience := httpdest.RetryAfter(header.Get("Retry-After"), now)
	asked := patience > 0
	err := fmt.Errorf("the server answers %d %s%s%s", status, http.StatusText(status), s.advice(p, status, header, answer, secret), said(p, answer, secret))
	if trouble := s.passes.trouble(); trouble != nil && (status == 401 || status == 403) {
		err = fmt.Errorf("%w; what was sent is what the files have held before: %w", err, trouble)
	}
	switch {
	case status < 400:
		return err
	case s.forGood(status) && !s.chosen && s.setup(status, header, answer) != "":
		return &failure{err, ofEither}
	case s.forGood(status) && !(asked && status == http.StatusRequestEntityTooLarge):
		return pipeline.Permanent(err)
	case asked:
		return pipeline.RetryAfter(err, patience)
	case slices.Contains(configuration, status):
		return err
	case status == http.StatusInternalServerError:
		return &failure{err, ofChange}
	}
	return &failure{err, ofEither}
}

// forGood reports whether a status refuses for good. That the header is too large says so
// only of a format that puts something of the change there.
func (s *Sink) forGood(status int) bool {
	return slices.Contains(s.o.Permanent, status) && (status != http.StatusRequestHeaderFieldsTooLarge || s.wire.header != nil)
}

// pause is what the server has asked for by a Retry-After: no request is made until it is
// over, whatever else has been accepted meanwhile.
type pause struct {
	mu    sync.Mutex
	until time.Time
	why   error
}

// note takes in an error of a request.
func (p *pause) note(err error, now time.Time) {
	delay, asked := pipeline.RetryDelay(err)
	if !asked {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if until := now.Add(delay); until.After(p.until) {
		p.until, p.why = until, err
	}
}

// err returns why no request is made, nil if one may be.
func (p *pause) err(now time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !now.Before(p.until) {
		return nil
	}
	return pipeline.RetryAfter(p.why, p.until.Sub(now))
}

// setup is what to do about an answer that is about how things are set up, as far as the format
// knows: empty if it is not.
func (s *Sink) setup(status int, header http.Header, answer []byte) string {
	if s.wire.setup == nil || status < 400 {
		return ""
	}
	return s.wire.setup(status, header, answer)
}

// advice is what to do about an answer.
func (s *Sink) advice(p *pass, status int, header http.Header, answer []byte, secret bool) string {
	if setup := s.setup(status, header, answer); setup != "" {
		return "; " + setup
	}
	switch status {
	case 301, 302, 303, 307, 308:
		to := "nowhere"
		if u, err := url.Parse(header.Get("Location")); err == nil && header.Get("Location") != "" {
			to = "another path of the same host"
			if u.Host != "" && secret {
				to = "another host"
			} else if u.Host != "" {
				to = "host " + redact.Line(p.clean.Clean(u.Host), 100)
			}
		}
		return ", which leads to " + to + "; redirects are not followed, because they lose what is sent: write the address that the server means"
	case 401:
		if s.o.Format == Splunk {
			return "; check token-file"
		}
		return "; check token-file, or user and password-file, or header-file, or cert"
	case 403:
		return "; the credentials are known and may not do this, or there are none: check the rights"
	case 404, 405, 410:
		return "; check the path of the URL"
	case 407:
		return "; the proxy in between asks for credentials"
	case 413:
		return "; what is sent is too large: raise the server's bound"
	case 431:
		return "; the headers are too large: raise the server's bound, or use another format than binary"
	case 415:
		return "; check format and content-type"
	}
	return ""
}

// unreached says what to do about a request that got no answer. Of a request with a
// Secret it shows no text that the server may have sent in place of an answer.
func unreached(err error, secret bool) error {
	if advice := reach.Advice(err); advice != "" {
		return fmt.Errorf("%w; %s", err, advice)
	}
	if _, own := errors.AsType[*credentials.FileError](err); own {
		return err
	}
	network, isNetwork := errors.AsType[*net.OpError](err)
	if isNetwork && network.Op == "dial" {
		return err
	}
	if secret && !isNetwork && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.New("there was no answer of HTTP")
	}
	return &failure{err, ofEither}
}
