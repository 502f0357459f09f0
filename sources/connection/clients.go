package connection

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	"k8s.io/apimachinery/pkg/runtime"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"
	"k8s.io/client-go/util/flowcontrol"

	"github.com/fairlead-dev/fairlead/internal/redact"
)

const (
	// callTimeout bounds a call with its body. The API server gives up on a
	// request after 60s itself (--request-timeout); its answer should win.
	callTimeout = 65 * time.Second
	// idleTimeout is how long the connection of a list stays open after it.
	idleTimeout = 10 * time.Second
	// maxResponseHead bounds the head of an answer to a call, in bytes.
	maxResponseHead = 1 << 20
)

// clients are the HTTP clients made from one rest.Config. They own their
// transports: client-go's would be kept in a global cache, and a goroutine
// for each that reloads certificates.
type clients struct {
	watches, calls, probes *rest.RESTClient
	discovery              *discoverer
	said                   atomic.Pointer[pluginCredentials] // by the plugin, when it was last asked
	// For those who bring their own clients.
	watchTransport, callTransport http.RoundTripper
	digest                        string           // of server URL and CA
	plugin                        *plugin          // nil: none
	redact                        *redact.Redactor // is told of the credentials that are sent; nil: nobody is
	dialer                        *dialer
	transports                    []*http.Transport
	custom                        http.RoundTripper // of the configuration, which has no transports of ours then; or nil
	userAgent                     string
}

// clientOptions are what clients depend on beside the configuration.
type clientOptions struct {
	plugin         *plugin // nil: none
	limiter        flowcontrol.RateLimiter
	userAgent      string
	connectTimeout time.Duration
	maxAnswer      int64 // see Config.MaxAnswer
	redact         *redact.Redactor
}

// newClients reads the files that cfg names, but dials nothing. cfg is not
// modified and not kept.
func newClients(cfg *rest.Config, o clientOptions) (*clients, error) {
	if cfg == nil {
		return nil, errors.New("there is no client configuration")
	}
	cfg = prepare(cfg, o.userAgent)
	if strings.ContainsFunc(cfg.BearerToken, unicode.IsControl) {
		return nil, errors.New("the bearer token has a line break or another control character in it; is it the token alone?")
	}
	connectTimeout := o.connectTimeout
	dial := dialFunc(cfg.Dial)
	if dial == nil {
		dial = dialTCP(connectTimeout)
	}
	c := &clients{dialer: newDialer(dial), plugin: o.plugin, redact: o.redact, custom: cfg.Transport, userAgent: o.userAgent}
	cfg.Dial = c.dialer.DialContext

	watchTripper, _, err := c.roundTripper(cfg, connectTimeout, true)
	if err != nil {
		return nil, err
	}
	callTripper, ca, err := c.roundTripper(cfg, connectTimeout, false)
	if err != nil {
		return nil, err
	}
	var documents *rest.RESTClient
	for _, client := range []struct {
		into    **rest.RESTClient
		tripper http.RoundTripper
		timeout time.Duration
		limiter flowcontrol.RateLimiter
	}{
		// Streams read these in pieces that are bounded.
		{&c.watches, &answers{next: watchTripper}, 0, o.limiter},
		{&c.calls, &answers{next: callTripper}, callTimeout, o.limiter},
		// Users that exhaust the limiter must not make the member look dead.
		{&c.probes, &answers{next: callTripper, whole: maxProbe}, 0, flowcontrol.NewFakeAlwaysRateLimiter()},
		{&documents, &answers{next: callTripper, whole: maxDiscovery}, callTimeout, o.limiter},
	} {
		own := rest.CopyConfig(cfg)
		own.RateLimiter = client.limiter // goes before QPS and Burst
		*client.into, err = rest.UnversionedRESTClientForConfigAndClient(own, &http.Client{
			Transport:     client.tripper,
			Timeout:       client.timeout,
			CheckRedirect: sameHost,
		})
		if err != nil {
			return nil, err
		}
	}
	c.discovery = newDiscoverer(documents)
	c.watchTransport = &answers{next: watchTripper, whole: o.maxAnswer, frame: maxFrame}
	c.callTransport = &answers{next: callTripper, whole: o.maxAnswer, frame: maxFrame}
	server := c.probes.Get().AbsPath("/").URL()
	sum := sha256.New()
	_, _ = fmt.Fprintf(sum, "%s://%s%s\n", server.Scheme, strings.ToLower(server.Host), strings.TrimSuffix(server.Path, "/"))
	_, _ = sum.Write(ca)
	c.digest = "digest-" + hex.EncodeToString(sum.Sum(nil)[:16])
	return c, nil
}

// prepare returns a copy of cfg with everything set that is ours to say.
func prepare(cfg *rest.Config, userAgent string) *rest.Config {
	cfg = copyREST(cfg)
	cfg.UserAgent = userAgent
	// A line break at its end comes from whoever made the Secret with echo.
	cfg.BearerToken = strings.TrimSpace(cfg.BearerToken)
	cfg.APIPath = "/"
	cfg.ContentConfig = rest.ContentConfig{
		ContentType:          runtime.ContentTypeJSON,
		NegotiatedSerializer: scheme.Codecs.WithoutConversion(),
	}
	// The default handler logs a deprecated API anew on every request.
	cfg.WarningHandler, cfg.WarningHandlerWithContext = rest.NoWarnings{}, nil
	cfg.ExecProvider = nil // see plugin
	return cfg
}

// roundTripper returns a transport of our own under the layers that cfg asks
// for (tokens, impersonation, plugins), and the CA it trusts. Certificate
// files are read again for new connections, as client-go does.
func (c *clients) roundTripper(cfg *rest.Config, connectTimeout time.Duration, watches bool) (http.RoundTripper, []byte, error) {
	conf, err := cfg.TransportConfig()
	if err != nil {
		return nil, nil, err
	}
	if c.plugin != nil && conf.Transport == nil {
		conf.TLS.GetCertHolder = &transport.GetCertHolder{GetCert: c.plugin.certificate}
	}
	if conf.Transport != nil { // as transport.New, also in what it refuses
		if conf.HasCA() || conf.HasCertAuth() || conf.HasCertCallback() || conf.TLS.Insecure {
			return nil, nil, errors.New("a custom transport cannot be combined with TLS options")
		}
		rt, err := c.layers(conf, conf.Transport)
		return rt, nil, err
	}
	tlsConfig, err := transport.TLSConfigFor(conf) // also loads the files into conf
	if err != nil {
		return nil, nil, err
	}
	if tlsConfig == nil {
		tlsConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	t := &http.Transport{
		Proxy:               conf.Proxy, // nil: from the environment
		DialContext:         conf.DialHolder.Dial,
		TLSClientConfig:     tlsConfig,
		TLSHandshakeTimeout: connectTimeout,
		MaxIdleConnsPerHost: 25, // as client-go
		DisableCompression:  conf.DisableCompression,

		OnProxyConnectResponse: proxyAnswered,
		MaxResponseHeaderBytes: maxResponseHead,
	}
	var base http.RoundTripper = t
	if watches {
		tlsConfig.NextProtos = []string{"http/1.1"}
		t.ResponseHeaderTimeout, t.IdleConnTimeout = callTimeout, idleTimeout
		utilnet.SetOldTransportDefaults(t)
		base = &watchTransport{t}
	} else {
		t.DialContext = c.dialer.dialForCalls
		utilnet.SetTransportDefaults(t)
	}
	c.transports = append(c.transports, t)
	rt, err := c.layers(conf, base)
	return rt, slices.Clone(conf.TLS.CAData), err
}

// layers puts what conf asks for around a transport.
func (c *clients) layers(conf *transport.Config, t http.RoundTripper) (http.RoundTripper, error) {
	if c.redact != nil {
		t = &noteSent{next: t, redact: c.redact}
	}
	if c.plugin == nil {
		return transport.HTTPWrappersForConfig(conf, t)
	}
	rt, err := transport.HTTPWrappersForConfig(conf, &withPlugin{next: &pastPlugin{next: t}, plugin: c.plugin, rotated: c.rotated})
	return &giveUp{next: rt, plugin: c.plugin}, err
}

// rotated cuts what was opened with another certificate of the plugin, or none: it
// would stay who it was. A plugin that is asked again mostly has another token and
// the same certificate.
func (c *clients) rotated(now *pluginCredentials) {
	before := c.said.Swap(now)
	if before != nil && before != now && !slices.EqualFunc(before.chain(), now.chain(), bytes.Equal) {
		c.dialer.cut()
	}
}

// closeIdle closes connections that nobody uses: the next request dials.
func (c *clients) closeIdle() {
	for _, t := range c.transports {
		t.CloseIdleConnections()
	}
}

// close cuts every connection and lets no new one be made. It may be called
// again.
func (c *clients) close() {
	c.dialer.Close()
	c.closeIdle()
}

// sameHost does not follow a redirect to elsewhere, where the transport would
// add the member's credentials to the request too: the redirect itself is the
// answer then, and says so. (With an error instead, client-go reads a closed body
// and logs.)
func sameHost(req *http.Request, via []*http.Request) error {
	const most = 10 // as net/http
	var why string
	switch first := via[0].URL; {
	case req.URL.Host != first.Host || req.URL.Scheme != first.Scheme:
		why = "the server redirects to another address, which is not followed so that credentials stay here; configure the address that is meant"
	case len(via) >= most:
		why = "the server redirects within itself without end"
	default:
		return nil
	}
	say(req.Response, req.Response.StatusCode, why) //nolint:bodyclose // Closed in there; what stands in its place is a text.
	return http.ErrUseLastResponse
}
