package otlp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/fairlead-dev/fairlead/internal/httpdest"
	"github.com/fairlead-dev/fairlead/internal/reach"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// refusal returns the error of an answer that is no success. OTLP would have all but 429,
// 502, 503 and 504 dropped. Here only 400 and 413 are for good, once they are about one
// record, see doubt: others say that the configuration is wrong, or that a token has
// expired, and that is no reason to lose changes.
func (s *Sink) refusal(a httpdest.Answer, now time.Time) error {
	err := s.client.Error(fmt.Errorf("POST %s: the answer is %d %s%s%s", s.client.Target(), a.Status, http.StatusText(a.Status), s.client.Said(saidBy(a)), s.advice(a)))
	switch a.Status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
		return pipeline.Permanent(err)
	}
	return pipeline.RetryAfter(err, a.RetryAfter(now))
}

// doubt returns why the refusal of one record may be none of that record, or nil. A server
// that wants TLS, a proxy, or a receiver of JSON answer with 400 to whatever they get. So a
// record is given up only if the receiver then accepts a request without records.
func (s *Sink) doubt(ctx context.Context, refused error) error {
	err := s.send(ctx, nil)
	if pipeline.IsPermanent(err) {
		// As text: what is about the receiver is not for good.
		return s.client.Error(fmt.Errorf("%s; it refuses a request without records as well, so it is no record that is wrong", refused.Error()))
	}
	return err
}

// advice returns what an operator can do about an answer.
func (s *Sink) advice(a httpdest.Answer) string {
	switch a.Status {
	case http.StatusBadRequest:
		return "; the receiver does not understand a record, or nothing of OTLP in protobuf, or wants https"
	case http.StatusUnauthorized, http.StatusForbidden:
		return "; check the token or key in token-file or header-file, and what it may do"
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return "; check the path, which is /v1/logs as a rule, and whether the receiver takes logs"
	case http.StatusRequestEntityTooLarge:
		return "; lower max-request, or raise the receiver's bound"
	case http.StatusUnsupportedMediaType:
		return "; the receiver takes no protobuf, or no gzip: try compression=none"
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return "; the receiver has too much to do"
	}
	if 300 <= a.Status && a.Status < 400 {
		return s.client.Said("redirects are not followed; write the URL of " + a.Header.Get("Location"))
	}
	return ""
}

// unreached returns the error of a request without an answer.
func (s *Sink) unreached(err error) error {
	err = fmt.Errorf("POST %s: %w", s.client.Target(), err)
	if advice := reach.Advice(err); advice != "" {
		err = fmt.Errorf("%w; %s", err, advice)
	} else if errors.Is(err, context.Canceled) {
		return err
	}
	return s.client.Error(err)
}

// saidBy returns the message of an answer: of a google.rpc.Status, if it is one, or else
// the text.
func saidBy(a httpdest.Answer) string {
	if kind := a.Header.Get("Content-Type"); !strings.HasPrefix(kind, contentType) {
		return string(a.Body)
	}
	for body := a.Body; len(body) > 0; {
		number, kind, n := protowire.ConsumeField(body)
		if n < 0 {
			return ""
		}
		if number == 2 && kind == protowire.BytesType {
			_, _, tag := protowire.ConsumeTag(body)
			text, _ := protowire.ConsumeBytes(body[tag:])
			return string(text)
		}
		body = body[n:]
	}
	return ""
}
