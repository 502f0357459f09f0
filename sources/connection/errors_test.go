package connection

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/client-go/util/flowcontrol"
)

var refusedError = &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}

func TestClassify(t *testing.T) {
	get := func(err error) error { return &url.Error{Op: "Get", URL: "https://a", Err: err} }
	code := func(code int) error {
		return apierrors.NewGenericServerResponse(code, "GET", schema.GroupResource{}, "", "", 0, false)
	}
	page := func(code int) error { // of something in front of the API server
		return apierrors.NewGenericServerResponse(code, "GET", schema.GroupResource{}, "", "<html>", 0, true)
	}
	tooLarge := apierrors.NewTimeoutError("Too large resource version", 1)
	tooLarge.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: metav1.CauseTypeResourceVersionTooLarge}}
	for _, tt := range []struct {
		err      error
		result   string
		doubtful bool
	}{
		{nil, resultOK, false},
		{get(refusedError), resultUnreachable, true},
		{refusedError, resultUnreachable, true},
		{get(io.EOF), resultUnreachable, true},
		{fmt.Errorf("read frame: %w", io.ErrUnexpectedEOF), resultUnreachable, true},
		{get(&net.DNSError{Err: "no such host"}), resultUnreachable, true},
		{get(x509.UnknownAuthorityError{}), resultUnreachable, true},
		{get(os.ErrDeadlineExceeded), resultTimeout, true},
		{get(context.DeadlineExceeded), resultTimeout, true},
		{&net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ETIMEDOUT)}, resultTimeout, true},
		{get(context.Canceled), resultCanceled, false},
		{code(401), resultUnauthorized, true},
		{fmt.Errorf("watch pods: %w", code(401)), resultUnauthorized, true},
		{code(403), resultOther, false},
		{code(404), resultOther, false},
		{code(410), resultOther, false},
		{code(429), resultThrottled, false},
		{code(500), resultUnavailable, false},
		{code(502), resultUnavailable, true},
		{code(503), resultUnavailable, true},
		{code(504), resultUnavailable, true},
		{tooLarge, resultOther, false},
		{page(302), resultInvalid, true},
		{page(401), resultUnauthorized, true},
		{page(403), resultInvalid, true},
		{page(404), resultInvalid, true},
		{page(429), resultThrottled, false},
		{page(500), resultUnavailable, false},
		{page(502), resultUnavailable, true},
		{errors.New("frame is not JSON"), resultOther, false},
	} {
		if result, doubtful := classify(tt.err); result != tt.result || doubtful != tt.doubtful {
			t.Errorf("%v: %s, %v; want %s, %v", tt.err, result, doubtful, tt.result, tt.doubtful)
		}
	}
}

func TestRedaction(t *testing.T) {
	cfg := &rest.Config{
		BearerToken: "tok-123", Password: "pass-word",
		TLSClientConfig: rest.TLSClientConfig{KeyData: []byte("-----KEY-----")},
		AuthProvider:    &clientcmdapi.AuthProviderConfig{Config: map[string]string{"refresh-token": "r-456"}},
		ExecProvider:    &clientcmdapi.ExecConfig{Env: []clientcmdapi.ExecEnvVar{{Name: "SECRET", Value: "env-789"}}},
	}
	jwt := "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"
	for in, want := range map[string]string{
		"dial tcp 10.0.0.1:443: connection refused":       "dial tcp 10.0.0.1:443: connection refused",
		"you sent tok-123, pass-word and r-456, env-789.": "you sent [redacted], [redacted] and [redacted], [redacted].",
		"key -----KEY----- is bad":                        "key [redacted] is bad",
		"token " + jwt + " has expired":                   "token [redacted] has expired",
		"Authorization: Bearer abcdefghijklmnop1234==":    "Authorization: [redacted]",
		`parse "https://ada:pw@a b/": bad host`:           `parse "https://[redacted]@a b/": bad host`,
		"two\nlines\x1b[31m":                              "two lines [31m",
	} {
		if got := redactorOf(cfg).Text(errors.New(in)); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// TestSecretsStayInside: a server that sends back what it was sent.
func TestSecretsStayInside(t *testing.T) {
	echo := status(503, "your token top-secret-token is fine")
	bubbleWith(t, Options{}, echo, func(t *testing.T, c *Connection, _ *fakeMember) {
		dialed(c)
		s := c.Status()
		if s.LastError == "" || strings.Contains(fmt.Sprintf("%+v", s), "top-secret") {
			t.Errorf("status %+v", s)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := c.Acquire(ctx); err == nil || strings.Contains(err.Error(), "top-secret") {
			t.Errorf("Acquire: %v", err)
		}
	})
}

// A server may answer with anything, also with the token that it was sent. It
// must not come out where a stream tells its errors.
func TestSessionRedactsWhatAServerSentBack(t *testing.T) {
	cfg := &rest.Config{Host: "https://127.0.0.1:1", BearerToken: "s3cr3t-token"}
	c, err := newClients(cfg, clientOptions{limiter: flowcontrol.NewFakeAlwaysRateLimiter(), userAgent: "test", connectTimeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.close)
	s := newSession("m", "uid", c, redactorOf(cfg))
	if got := s.Redact(errors.New("500: you sent Authorization: Bearer s3cr3t-token")); strings.Contains(got, "s3cr3t") {
		t.Errorf("shown: %s", got)
	}
}

// What a stream reports when nothing comes back must make the connection ask
// the server itself.
func TestNoReplyIsDoubtful(t *testing.T) {
	if _, doubtful := classify(fmt.Errorf("no reply in time: %w", context.DeadlineExceeded)); !doubtful {
		t.Error("a server that does not reply is not suspected")
	}
}
