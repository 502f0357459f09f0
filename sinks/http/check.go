package httpsink

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/fairlead-dev/fairlead/sinks"
)

// Check connects, with TLS if there is any, and sends a request of method OPTIONS with
// the credentials and without a body. It fails if there is no answer, if the answer is a
// redirect, or if it says that the credentials are not known (401, 407); where a POST is
// signed, that is a caution, as OPTIONS is not. No other answer says anything: servers
// answer OPTIONS as they like, and what they make of a POST is only seen by the first
// change.
func (s *Sink) Check(ctx context.Context) error {
	pass, err := s.passes.current(time.Now())
	if err != nil {
		return fmt.Errorf("check %s: %w", s.target, err)
	}
	if err := s.passes.trouble(); err != nil {
		return fmt.Errorf("check %s: what is sent is what the files have held before: %w", s.target, err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.o.Timeout, s.late)
	defer cancel()
	header := pass.header.Clone()
	header.Del("Content-Type")
	header.Del("Content-Encoding")
	request := &http.Request{
		Method: http.MethodOptions, URL: pass.url, Host: pass.url.Host, Header: header, Body: http.NoBody,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	fail := func(err error) error { return pass.clean.Error(fmt.Errorf("check %s: %w", s.target, err)) }
	response, err := s.transport.RoundTrip(request.WithContext(ctx))
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return fail(unreached(err, false))
	}
	defer response.Body.Close()    //nolint:errcheck // It was read, or is of no use.
	_, _ = read(response, maxText) // so that the connection can be used again
	switch status := response.StatusCode; {
	case 300 <= status && status < 400, status == http.StatusUnauthorized, status == http.StatusProxyAuthRequired:
		err := fail(fmt.Errorf("the server answers OPTIONS with %d %s%s", status, http.StatusText(status), s.advice(pass, status, response.Header, false)))
		if s.o.SecretFile != "" { // what is not signed may be what it does not take
			return sinks.Caution(err)
		}
		return err
	}
	return nil
}
