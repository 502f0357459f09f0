package connection

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"sync"
	"time"

	"k8s.io/client-go/rest"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// pluginPatience is after how long a plugin that has not answered is told in a status. It is
// waited for as long as for the rest of the probe.
const pluginPatience = 5 * time.Second

// plugin is a member's credential plugin. It runs inside of a request, but for
// longer than that if it has to: what it says at last is used by the next. At
// most one request at a time gets that far, so that whoever gives up leaves one
// goroutine behind for a plugin that hangs, and one process, however often it is
// tried again.
//
//	caller ─▶ giveUp ─ slot ─▶ withPlugin ─▶ pastPlugin ─ slot free ─▶ transport
type plugin struct {
	of   *rest.Config
	tell func(line string) (shown string) // takes what it writes to its standard error
	slot chan struct{}                    // full while a request is with the plugin
	ctx  context.Context                  //nolint:containedctx // Its own, not that of a request; see above.
	stop func()                           // ends the process; nobody asks it any more

	running sync.Mutex // held while it runs
	cached  *pluginCredentials

	mu    sync.Mutex
	since time.Time // when the request began that has the slot
	asked time.Time // the same; zero: none has it
}

// pluginOf returns the plugin of cfg, or nil if it has none, or other credentials
// too, which go before it. It is last if that would be asked the same; if not, last
// is ended.
func pluginOf(cfg *rest.Config, last *plugin, tell func(line string) (shown string)) *plugin {
	if cfg == nil || cfg.ExecProvider == nil || cfg.BearerToken != "" || cfg.BearerTokenFile != "" ||
		cfg.Username != "" || len(cfg.CertData) != 0 || cfg.CertFile != "" {
		if last != nil {
			last.stop()
		}
		return nil
	}
	if last != nil && reflect.DeepEqual(last.of.ExecProvider, cfg.ExecProvider) &&
		(!cfg.ExecProvider.ProvideClusterInfo || last.of.Host == cfg.Host && reflect.DeepEqual(last.of.TLSClientConfig, cfg.TLSClientConfig)) {
		return last
	}
	if last != nil {
		last.stop()
	}
	p := &plugin{of: cfg, tell: tell, slot: make(chan struct{}, 1)}
	p.ctx, p.stop = context.WithCancel(context.Background())
	return p
}

func (p *plugin) config() *clientcmdapi.ExecConfig { return p.of.ExecProvider }

// enter waits for the slot.
func (p *plugin) enter(ctx context.Context) error {
	select {
	case p.slot <- struct{}{}:
		p.mu.Lock()
		p.since = time.Now()
		p.asked = p.since
		p.mu.Unlock()
		return nil
	case <-ctx.Done():
		return p.silent(ctx)
	}
}

// hangs returns the error of a plugin that has not answered for pluginPatience, and goes on, or
// nil. It may be called on nil.
func (p *plugin) hangs(now time.Time) error {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.asked.IsZero() || now.Sub(p.asked) < pluginPatience {
		return nil
	}
	return &pluginError{command: p.config().Command, silent: now.Sub(p.asked).Truncate(time.Second)}
}

func (p *plugin) silent(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return &pluginError{command: p.config().Command, silent: time.Since(p.since), err: context.Cause(ctx)}
}

// pluginError says that there are no credentials to send a request with.
type pluginError struct {
	command string
	silent  time.Duration // how long it has not answered; zero if it failed
	err     error
}

// Error tells which plugin, and what about it.
func (e *pluginError) Error() string {
	if e.silent > 0 {
		return fmt.Sprintf("credential plugin %q has not answered for %v", e.command, e.silent.Round(time.Millisecond))
	}
	return fmt.Sprintf("credential plugin %q: %v", e.command, e.err)
}

// Unwrap returns why it was not waited for any longer, or how it failed.
func (e *pluginError) Unwrap() error { return e.err }

// asking is a request on its way past the plugin.
type asking struct {
	plugin *plugin

	mu    sync.Mutex
	wants bool // it waits for the slot, or has it
	held  bool // it has the slot
}

type askingKey struct{}

func (a *asking) enter(ctx context.Context) error {
	a.mu.Lock()
	a.wants = true
	a.mu.Unlock()
	if err := a.plugin.enter(ctx); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.held = true
	return nil
}

// leave gives the slot back and tells whether it was held.
func (a *asking) leave() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	held := a.held
	if held {
		a.wants, a.held = false, false
		a.plugin.mu.Lock()
		a.plugin.asked = time.Time{}
		a.plugin.mu.Unlock()
		<-a.plugin.slot
	}
	return held
}

func (a *asking) inPlugin() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.wants
}

// giveUp goes around the layers of client-go: a request whose ctx ends is not
// waited for, wherever it is.
type giveUp struct {
	next   http.RoundTripper
	plugin *plugin
}

type roundTrip struct {
	resp *http.Response
	err  error
}

// RoundTrip returns no later than the request's ctx ends.
func (g *giveUp) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	a := &asking{plugin: g.plugin}
	if err := a.enter(ctx); err != nil {
		if req.Body != nil {
			_ = req.Body.Close()
		}
		return nil, err
	}
	// A copy, because credentials are written into its header.
	out := req.Clone(context.WithValue(ctx, askingKey{}, a))
	done, left := make(chan roundTrip), make(chan struct{})
	go func() {
		resp, err := g.next.RoundTrip(out)
		if a.leave() && err != nil {
			err = &pluginError{command: g.plugin.config().Command, err: err}
		}
		select {
		case done <- roundTrip{resp, err}:
		case <-left:
			if err == nil {
				_ = resp.Body.Close()
			}
		}
	}()
	select {
	case r := <-done:
		return r.resp, r.err
	case <-ctx.Done():
		close(left)
		if a.inPlugin() {
			return nil, g.plugin.silent(ctx)
		}
		return nil, context.Cause(ctx)
	}
}

// WrappedRoundTripper lets client-go look through.
func (g *giveUp) WrappedRoundTripper() http.RoundTripper { return g.next }

// pastPlugin is where a request has its credentials.
type pastPlugin struct{ next http.RoundTripper }

// RoundTrip sends the request.
func (p *pastPlugin) RoundTrip(req *http.Request) (*http.Response, error) {
	a, ok := req.Context().Value(askingKey{}).(*asking)
	if !ok {
		return p.next.RoundTrip(req)
	}
	a.leave()
	resp, err := p.next.RoundTrip(req)
	if err == nil && resp.StatusCode == http.StatusUnauthorized {
		// On its way back the plugin runs again.
		if err := a.enter(req.Context()); err != nil {
			_ = resp.Body.Close()
			return nil, err
		}
	}
	return resp, err
}

// WrappedRoundTripper lets client-go look through.
func (p *pastPlugin) WrappedRoundTripper() http.RoundTripper { return p.next }
