package reach_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/reach"
)

func TestAdvice(t *testing.T) {
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	_, refused := new(net.Dialer).DialContext(t.Context(), "tcp", address)
	unverified := func(err error) error { return &tls.CertificateVerificationError{Err: err} }
	for want, err := range map[string]error{
		"nothing listens there":      fmt.Errorf("dial: %w", errors.Join(context.Canceled, refused)),
		"no such host is known":      &net.DNSError{Name: "h", IsNotFound: true},
		"check ca and server-name":   fmt.Errorf("tls: %w", unverified(x509.UnknownAuthorityError{})),
		"":                           errors.Join(context.DeadlineExceeded, &net.DNSError{Name: "h", IsTimeout: true}),
		"renew the server's certifi": unverified(x509.CertificateInvalidError{Reason: x509.Expired}),
	} {
		if got := reach.Advice(err); !strings.Contains(got, want) || want == "" && got != "" {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
	if got := reach.Advice(nil); got != "" {
		t.Errorf("no error: %q", got)
	}
}
