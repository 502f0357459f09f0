package apiclient

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/fairlead-dev/fairlead/internal/redact"
)

// guarded is a transport whose errors do not show what the server has sent, because that
// may be what it was sent.
type guarded struct {
	next    http.RoundTripper
	secrets *redact.Redactor
}

func (g *guarded) RoundTrip(request *http.Request) (*http.Response, error) {
	_, secret, _ := strings.Cut(request.Header.Get("Authorization"), " ")
	g.secrets.Note(secret)
	response, err := g.next.RoundTrip(request)
	return response, Unquoted(err)
}

// CloseIdleConnections is for client-go, which closes them when certificates change.
func (g *guarded) CloseIdleConnections() {
	if c, ok := g.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// Unquoted returns an error of a connection, or of reading from it. One of the protocol
// may quote what the server has sent, so another one takes its place.
func Unquoted(err error) error {
	var (
		connection  net.Error
		certificate *tls.CertificateVerificationError
		noTLS       tls.RecordHeaderError
	)
	switch {
	case err == nil, errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, context.Canceled):
	case errors.As(err, &connection), errors.As(err, &certificate), errors.As(err, &noTLS):
	default:
		return errors.New("it does not answer as an HTTP server does; is it an API server, and the proxy right?")
	}
	return err
}

// Rejected reports whether the other end has ended the TLS connection, as it does when
// it wants another certificate.
func Rejected(err error) bool {
	e, ok := errors.AsType[*net.OpError](err)
	return ok && e.Op == "remote error"
}
