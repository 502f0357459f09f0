package connection

import (
	"cmp"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/client-go/transport"
	"k8s.io/client-go/util/flowcontrol"

	"github.com/fairlead-dev/fairlead/internal/member"
)

const (
	// callTimeout bounds a call with its body. The API server gives up on a
	// request after 60s itself (--request-timeout); its answer should win.
	callTimeout = 65 * time.Second
	// idleTimeout is how long the connection of a list stays open after it.
	idleTimeout = 10 * time.Second
	// maxErrorBody bounds what is read of an answer that is kept whole in
	// memory: one to a probe, or one that tells of an error.
	maxErrorBody = 1 << 20
)

// clients are the HTTP clients made from one rest.Config. They own their
// transports: client-go's would be kept in a global cache, and a goroutine
// for each that reloads certificates.
type clients struct {
	watches, calls, probes *rest.RESTClient
	digest                 string  // of server URL and CA
	plugin                 *plugin // nil: none
	dialer                 *dialer
	transports             []*http.Transport
}

// newClients reads the files that cfg names, but dials nothing. cfg is not
// modified and not kept.
func newClients(cfg *rest.Config, creds *plugin, limiter flowcontrol.RateLimiter, userAgent string, connectTimeout time.Duration) (*clients, error) {
	if cfg == nil {
		return nil, errors.New("there is no client configuration")
	}
	cfg = prepare(cfg, userAgent)
	dial := dialFunc(cfg.Dial)
	if dial == nil {
		dial = dialTCP(connectTimeout)
	}
	c := &clients{dialer: newDialer(dial), plugin: creds}
	cfg.Dial = c.dialer.DialContext

	watchTripper, _, err := c.roundTripper(cfg, connectTimeout, true)
	if err != nil {
		return nil, err
	}
	callTripper, ca, err := c.roundTripper(cfg, connectTimeout, false)
	if err != nil {
		return nil, err
	}
	for _, client := range []struct {
		into    **rest.RESTClient
		tripper http.RoundTripper
		timeout time.Duration
		limiter flowcontrol.RateLimiter
	}{
		{&c.watches, &boundedBodies{next: watchTripper}, 0, limiter},
		{&c.calls, &boundedBodies{next: callTripper}, callTimeout, limiter},
		// Users that exhaust the limiter must not make the member look dead.
		{&c.probes, &boundedBodies{next: callTripper, all: true}, 0, flowcontrol.NewFakeAlwaysRateLimiter()},
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
	cfg.APIPath = "/"
	cfg.ContentConfig = rest.ContentConfig{
		ContentType:          runtime.ContentTypeJSON,
		NegotiatedSerializer: scheme.Codecs.WithoutConversion(),
	}
	// The default handler logs a deprecated API anew on every request.
	cfg.WarningHandler, cfg.WarningHandlerWithContext = rest.NoWarnings{}, nil
	if cfg.ExecProvider != nil {
		// Nobody sits at this program's terminal to answer a plugin.
		plugin := cfg.ExecProvider // our own copy
		plugin.InteractiveMode = cmp.Or(plugin.InteractiveMode, clientcmdapi.IfAvailableExecInteractiveMode)
		plugin.StdinUnavailable = true
		plugin.StdinUnavailableMessage = "fairlead runs unattended"
	}
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
	}
	var base http.RoundTripper = t
	if watches {
		tlsConfig.NextProtos = []string{"http/1.1"}
		t.ResponseHeaderTimeout, t.IdleConnTimeout = callTimeout, idleTimeout
		utilnet.SetOldTransportDefaults(t)
		base = &watchTransport{t}
	} else {
		utilnet.SetTransportDefaults(t)
	}
	c.transports = append(c.transports, t)
	rt, err := c.layers(conf, base)
	return rt, slices.Clone(conf.TLS.CAData), err
}

// layers puts what conf asks for around a transport.
func (c *clients) layers(conf *transport.Config, t http.RoundTripper) (http.RoundTripper, error) {
	t = member.AsAsked(t)
	if c.plugin == nil {
		return transport.HTTPWrappersForConfig(conf, t)
	}
	rt, err := transport.HTTPWrappersForConfig(conf, &pastPlugin{next: t})
	return &giveUp{next: rt, plugin: c.plugin}, err
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
// answer then. (With an error instead, client-go reads a closed body and logs.)
func sameHost(req *http.Request, via []*http.Request) error {
	const most = 10 // as net/http
	if first := via[0].URL; req.URL.Host != first.Host || req.URL.Scheme != first.Scheme || len(via) >= most {
		return http.ErrUseLastResponse
	}
	return nil
}

// boundedBodies bounds bodies that client-go reads whole.
type boundedBodies struct {
	next http.RoundTripper
	all  bool // else errors only
}

func (b *boundedBodies) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := b.next.RoundTrip(req)
	if err == nil && (b.all || resp.StatusCode >= http.StatusMultipleChoices) {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(resp.Body, maxErrorBody), resp.Body}
	}
	return resp, err
}

// WrappedRoundTripper lets client-go look through.
func (b *boundedBodies) WrappedRoundTripper() http.RoundTripper { return b.next }
