package httpsink

import (
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/fairlead-dev/fairlead/internal/redact"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// mostPatience bounds what a Retry-After can ask for.
const mostPatience = 10 * time.Minute

// ownError is about the changes of one request, which are tried again by themselves,
// while others are delivered.
type ownError struct{ error }

func (e *ownError) Unwrap() error { return e.error }

// concernsDestination reports whether an error says that no other change will be
// accepted either.
func concernsDestination(err error) bool {
	_, own := errors.AsType[*ownError](err)
	return err != nil && !own && !pipeline.IsPermanent(err)
}

// refusal returns what a status that is not 2xx and the header of an answer mean. The text
// is what the answer says, made fit to be shown.
func (s *Sink) refusal(p *pass, status int, header http.Header, text string, now time.Time) error {
	patience, asked := parseRetryAfter(header.Get("Retry-After"), now)
	err := fmt.Errorf("the server answers %d %s%s%s", status, http.StatusText(status), s.advice(p, status, header), text)
	switch {
	case 300 <= status && status < 400:
		return err
	case slices.Contains(s.o.Permanent, status) && !(asked && status == http.StatusRequestEntityTooLarge):
		return pipeline.Permanent(err)
	case asked:
		return pipeline.RetryAfter(err, patience)
	case status == http.StatusInternalServerError:
		return s.blame(err)
	}
	return err
}

// suspicion is which one of several failures in a row that nobody is named for is taken
// for one of the whole server.
const suspicion = 4

// blame says whose a failure is. It is one of the changes alone, mostly: a receiver that
// fails on some objects answers so, and must not hold up the others. One that fails on
// all is left alone for a while all the same.
func (s *Sink) blame(err error) error {
	if s.suspects.Add(1)%suspicion == 0 {
		return err
	}
	return &ownError{err}
}

// advice is what to do about a status.
func (s *Sink) advice(p *pass, status int, header http.Header) string {
	switch status {
	case 301, 302, 303, 307, 308:
		to := "nowhere"
		if u, err := url.Parse(header.Get("Location")); err == nil && header.Get("Location") != "" {
			to = "another path of the same host"
			if u.Host != "" {
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
	case 415:
		return "; check format and content-type"
	}
	return ""
}

// unreached says what to do about a request that got no answer.
func unreached(err error) error {
	if _, bad := errors.AsType[*tls.CertificateVerificationError](err); bad {
		return fmt.Errorf("%w; renew the server's certificate, or check ca and server-name", err)
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("%w; nothing listens there: check host and port, and whether the server runs", err)
	}
	return err
}

// parseRetryAfter reads a Retry-After: seconds, or a date of HTTP. The delay is at most
// ten minutes, and a tenth longer at random, so that not all come back at once.
func parseRetryAfter(value string, now time.Time) (time.Duration, bool) {
	value = strings.TrimSpace(value)
	if value == "" {
		return 0, false
	}
	var d time.Duration
	if digits := strings.Trim(value, "0123456789") == ""; digits {
		seconds, err := strconv.ParseInt(value, 10, 64)
		if err != nil || seconds > int64(mostPatience/time.Second) { // so many digits are a large number, too
			seconds = int64(mostPatience / time.Second)
		}
		d = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(value); err == nil {
		d = min(at.Sub(now), mostPatience)
	}
	if d <= 0 {
		return 0, false
	}
	return d + rand.N(d/10+1), true
}
