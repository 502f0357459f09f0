package connection

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"

	"github.com/fairlead-dev/fairlead/internal/apistatus"
)

// reach asks for the server's version in nobody's name, over a connection of its
// own, and returns nil if there is any answer: a refusal is one, too. It takes the
// way that requests take, through the proxy if there is one, because only what comes
// from behind proxies and load balancers says that the member can be reached. It
// sends no credentials, and so runs no plugin, and follows no redirect.
func (c *clients) reach(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.probes.Get().AbsPath("/version").URL().String(), http.NoBody)
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", c.userAgent)
	resp, err := c.nobody().RoundTrip(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// nobody returns a transport for one request without credentials.
func (c *clients) nobody() http.RoundTripper {
	if c.custom != nil {
		return c.custom
	}
	of := c.transports[0]
	tlsConfig := of.TLSClientConfig.Clone()
	tlsConfig.Certificates, tlsConfig.GetClientCertificate = nil, nil
	tlsConfig.NextProtos = []string{"http/1.1"}
	return &http.Transport{
		Proxy:                  of.Proxy,
		OnProxyConnectResponse: of.OnProxyConnectResponse,
		DialContext:            of.DialContext,
		TLSClientConfig:        tlsConfig,
		DisableKeepAlives:      true,
		MaxResponseHeaderBytes: maxResponseHead,
	}
}

// noAnswer tells whether the error of a request says that nobody has answered it:
// there was no connection, or it ended, or timed out. A server that cannot be
// trusted, or does not speak HTTP, has answered. What is not known counts as an
// answer, after which backoff goes on.
func noAnswer(err error) bool {
	if err == nil || apistatus.Of(err).Meaning != apistatus.None {
		return false
	}
	if errors.Is(err, net.ErrClosed) {
		return false // net/http has closed it while it wrote, as of something that speaks unasked
	}
	if p, ok := errors.AsType[*proxyError](err); ok {
		return p.code >= http.StatusInternalServerError
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		// The other operations are those of proxies and of TLS.
		return op.Timeout() || op.Op == "dial" || op.Op == "read" || op.Op == "write" || noAnswer(op.Err)
	}
	if _, ok := errors.AsType[syscall.Errno](err); ok {
		return true
	}
	if strings.HasSuffix(err.Error(), closedIdle) {
		return true
	}
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout() || errors.Is(err, context.DeadlineExceeded) || brokeOff(err)
}

// closedIdle is what net/http says of a connection that was closed before it had sent
// anything on it. The error has no name.
const closedIdle = "http: server closed idle connection"

// proxyError says that a proxy has not connected us.
type proxyError struct{ code int }

// Error tells with what it answered.
func (e *proxyError) Error() string {
	return fmt.Sprintf("the proxy answers CONNECT with %d %s; look at proxy-url, or HTTPS_PROXY and NO_PROXY", e.code, http.StatusText(e.code))
}

func proxyAnswered(_ context.Context, _ *url.URL, _ *http.Request, resp *http.Response) error {
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	return &proxyError{resp.StatusCode}
}
