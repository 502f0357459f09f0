package httpsink

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"slices"
	"time"

	"github.com/fairlead-dev/fairlead/internal/httpdest"
	"github.com/fairlead-dev/fairlead/pipeline"
)

const (
	// maxText is how much is read of an answer that nobody needs, in bytes: a
	// connection is used again only if its answer was read.
	maxText = 64 << 10
	// maxResult is how much more of an answer is read for each change that it says
	// something of, in bytes: they have about 200.
	maxResult = 1 << 10
)

// post sends one request with the changes, and returns what the server refuses of them,
// by index. An error is about all of them.
func (s *Sink) post(ctx context.Context, d *draft, changes []*pipeline.Change) (map[int]error, error) {
	now := time.Now()
	pass, err := s.passes.current(now)
	if err != nil {
		return nil, fmt.Errorf("POST %s: %w", s.target, err)
	}
	header := pass.header
	if s.wire.header != nil || len(pass.signers) > 0 {
		header = make(http.Header, len(pass.header)+20)
		for name, values := range pass.header {
			header[name] = values
		}
		if s.wire.header != nil {
			s.wire.header(header, changes[0])
		}
		if len(pass.signers) > 0 {
			sign(header, pass.signers, changes, d.body, now)
		}
	}
	size := d.size()
	if s.o.Gzip {
		zipped := s.draft()
		defer s.drop(zipped)
		if err := s.zip(zipped, d.body); err != nil {
			return nil, fmt.Errorf("compress what goes to %s: %w", s.target, err)
		}
		d = zipped
	}
	status, header, answer, err := s.roundTrip(ctx, pass, header, d, len(changes))
	s.metrics.count(status)
	secret := slices.ContainsFunc(changes, isSecret)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, s.shown(pass, err) // it says nothing of the server
	case err != nil:
		return nil, s.shown(pass, unreached(err, secret && !errors.Is(err, s.late)))
	case 200 <= status && status < 300:
		return s.judge(pass, answer, changes)
	}
	err = s.refusal(pass, status, header, answer, secret, now)
	if status == http.StatusRequestEntityTooLarge && len(changes) > 1 && pipeline.IsPermanent(err) {
		s.limit.refused(size)
	}
	s.pause.note(s.shown(pass, err), now)
	return nil, s.shown(pass, err)
}

func isSecret(c *pipeline.Change) bool { return c.Key.Resource == "secrets" }

// judge reads an answer with a status of success.
func (s *Sink) judge(p *pass, answer []byte, changes []*pipeline.Change) (map[int]error, error) {
	if s.wire.verdict == nil {
		return nil, nil
	}
	refused, err := s.wire.verdict(answer, changes)
	if err != nil {
		due := ofEither
		if s.wire.single {
			due = ofChange
		}
		return nil, s.shown(p, &failure{err, due})
	}
	for i, reason := range refused {
		refused[i] = s.shown(p, reason)
	}
	return refused, nil
}

// shown returns an error that names the destination and is fit to be shown.
func (s *Sink) shown(p *pass, err error) error {
	return p.clean.Error(fmt.Errorf("POST %s: %w", s.target, err))
}

// said is the part of an answer that an error shows: nothing if it may be a part of a
// Secret that was sent, or if it was too long to be read, and may end within a credential.
func said(p *pass, answer []byte, secret bool) string {
	if len(answer) > maxText || secret {
		return ""
	}
	return httpdest.Said(p.clean, string(answer))
}

// roundTrip sends a request and reads its answer. It follows no redirect and keeps no
// cookie. Status is 0 if there was no answer.
func (s *Sink) roundTrip(ctx context.Context, p *pass, header http.Header, d *draft, changes int) (status int, answerHeader http.Header, answer []byte, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.o.Timeout, s.late)
	defer cancel()
	request := &http.Request{
		Method: http.MethodPost, URL: p.url, Host: p.url.Host, Header: header, ContentLength: int64(d.size()),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Body: http.NoBody,
	}
	switch {
	case len(d.insets) > 0:
		body := d.open()
		defer body.end()
		request.GetBody = func() (io.ReadCloser, error) { return body.reader(), nil }
		request.Body = body.reader()
	case len(d.body) > 0:
		// Of these types net/http knows that they are in memory, and sends headers and body at once.
		request.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(d.body)), nil }
		d.reader.Reset(d.body)
		request.Body = io.NopCloser(&d.reader)
	}
	trace := d.trace // a copy, as the hooks of the caller's trace are put into it
	response, err := s.transport.RoundTrip(request.WithContext(httptrace.WithClientTrace(ctx, &trace)))
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return 0, nil, nil, err
	}
	defer response.Body.Close() //nolint:errcheck // It was read, or is of no use.
	most := maxText
	if s.wire.verdict != nil {
		most += changes * maxResult
	}
	answer, err = read(response, most)
	if s.wire.verdict == nil || response.StatusCode >= 300 {
		if err != nil {
			answer = nil // it may end within a credential
		}
		return response.StatusCode, response.Header, answer, nil // the status says enough
	}
	switch {
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case err == nil && len(answer) > most:
		err = fmt.Errorf("the answer has more than %d bytes; it is none that was asked for", most)
	case err != nil:
		err = fmt.Errorf("read the answer: %w", err)
	}
	return response.StatusCode, response.Header, answer, err
}

// read reads no more than most bytes and one.
func read(response *http.Response, most int) ([]byte, error) {
	if response.ContentLength == 0 {
		return nil, nil
	}
	return io.ReadAll(io.LimitReader(response.Body, int64(most)+1))
}
