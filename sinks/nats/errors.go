package nats

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/fairlead-dev/fairlead/internal/reach"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// errSubject is that of a change whose names are too long.
var errSubject = errors.New("the names of the object make a subject that no server takes")

// errExpectedStream is what a server says if another stream takes the subject.
var errExpectedStream = &jetstream.APIError{ErrorCode: 10060}

// What an error means, and what to do about it. Only what has to do with the message
// itself is refused for good; all else can be mended by the operators of the servers,
// and is tried again for ever. Sources: nats.go and nats-server's errors.json.
var advice = []struct {
	is       error
	tooLarge bool
	says     string
}{
	{nats.ErrMaxPayload, true, "the message is larger than max_payload of the server; raise it, or select fewer fields"},
	{jetstream.ErrStreamMessageExceedsMaximum, true, "the message is larger than the stream takes; raise its max-msg-size, or select fewer fields"},
	{errSubject, true, ""},
	{jetstream.ErrNoStreamResponse, false, "no stream takes the subject, or its servers have no leader; create the stream with subjects PREFIX.>, or give create=true"},
	{nats.ErrNoResponders, false, "JetStream does not answer; enable it on the servers, or wait until they have a leader"},
	{errExpectedStream, false, "another stream takes the subjects; give its name, or another prefix"},
	{jetstream.ErrStreamNotFound, false, "the stream does not exist, or this user may not see it; create it, or give create=true"},
	{jetstream.ErrBucketNotFound, false, "the bucket does not exist, or this user may not see it; create it, or give create=true"},
	{jetstream.ErrJetStreamNotEnabled, false, "enable JetStream on the server"},
	{jetstream.ErrJetStreamNotEnabledForAccount, false, "enable JetStream for this account"},
	{nats.ErrAuthorization, false, "the server does not take this login; correct user, password-file, token-file, creds-file or nkey-file"},
	{nats.ErrAuthExpired, false, "the login has expired; replace the file with its successor"},
	{nats.ErrPermissionViolation, false, "this user may not do that; allow it to publish to the subjects and to subscribe to _INBOX.>"},
	{nats.ErrSecureConnWanted, false, "the server offers no TLS; set it up there, or give tls=false"},
}

// isTooLarge reports whether an error is about the message itself.
func isTooLarge(err error) bool {
	for _, a := range advice {
		if a.tooLarge && errors.Is(err, a.is) {
			return true
		}
	}
	return false
}

// explain returns an error that says what was tried, and what to do. It holds no
// credential.
func (c *connector) explain(err error) error {
	text := fmt.Errorf("NATS, %s: %w", c.o.Stream, err)
	for _, a := range advice {
		if errors.Is(err, a.is) && a.says != "" {
			text = fmt.Errorf("NATS, %s: %s: %w", c.o.Stream, a.says, err)
			break
		}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		text = fmt.Errorf("NATS, %s: no answer within %s; a server that cannot store does not answer, and its log says why: see whether its disk is full: %w", c.o.Stream, c.o.Timeout, err)
	}
	if advice := reach.Advice(err); advice != "" {
		text = fmt.Errorf("%w; %s", text, advice)
	}
	clean := c.secrets.Error(text)
	if isTooLarge(err) {
		return pipeline.Permanent(clean)
	}
	return clean
}

// about is explain, unless the caller has ended ctx.
func (c *connector) about(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return c.explain(err)
}
