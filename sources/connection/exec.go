package connection

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/pkg/apis/clientauthentication"
	"k8s.io/client-go/pkg/apis/clientauthentication/install"
	clientgo "k8s.io/client-go/plugin/pkg/client/auth/exec"
	"k8s.io/client-go/rest"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// Plugins are run here and not by client-go, which gives them this process's
// standard error: what they say there breaks logs, names no cluster, may hold
// secrets, and is missing from the error.

const (
	// maxPluginOutput bounds what a plugin prints, in bytes.
	maxPluginOutput = 1 << 20
	// pluginLeaves is how long a plugin may take to end that is asked to, and how
	// long its streams may stay open then: children of it may hold them.
	pluginLeaves = 5 * time.Second
	execInfo     = "KUBERNETES_EXEC_INFO"
)

var execCodecs = func() serializer.CodecFactory {
	scheme := runtime.NewScheme()
	install.Install(scheme)
	return serializer.NewCodecFactory(scheme)
}()

// pluginCredentials are what a plugin has answered with.
type pluginCredentials struct {
	token   string
	cert    *tls.Certificate // nil: none
	expires time.Time        // zero: never
}

// chain is the certificate with those above it, or nothing.
func (c *pluginCredentials) chain() [][]byte {
	if c.cert == nil {
		return nil
	}
	return c.cert.Certificate
}

// credentials returns what to send, of the plugin if there is nothing that is
// still good. refused is what a server did not take, or nil.
func (p *plugin) credentials(refused *pluginCredentials) (*pluginCredentials, error) {
	p.running.Lock()
	defer p.running.Unlock()
	if c := p.cached; c != nil && c != refused && (c.expires.IsZero() || time.Now().Before(c.expires)) {
		return c, nil
	}
	p.cached = nil
	c, err := p.run()
	if err != nil {
		return nil, err
	}
	p.cached = c
	return c, nil
}

// certificate is for handshakes.
func (p *plugin) certificate() (*tls.Certificate, error) {
	c, err := p.credentials(nil)
	if err != nil {
		return nil, err
	}
	return c.cert, nil
}

// run runs the plugin once, as client-go does.
func (p *plugin) run() (*pluginCredentials, error) {
	cfg := p.config()
	if cfg.InteractiveMode == clientcmdapi.AlwaysExecInteractiveMode {
		return nil, errors.New("it wants a terminal, and fairlead runs unattended: set interactiveMode to Never or IfAvailable")
	}
	if err := clientgo.ValidatePluginPolicy(cfg.PluginPolicy); err != nil {
		return nil, err
	}
	gv, err := schema.ParseGroupVersion(cfg.APIVersion)
	if err != nil || gv.Group != clientauthentication.GroupName || gv.Version != "v1" && gv.Version != "v1beta1" {
		return nil, fmt.Errorf("apiVersion %q is not known", cfg.APIVersion)
	}
	ask := &clientauthentication.ExecCredential{}
	if cfg.ProvideClusterInfo {
		if ask.Spec.Cluster, err = rest.ConfigToExecCluster(p.of); err != nil {
			return nil, err
		}
	}
	info, err := runtime.Encode(execCodecs.LegacyCodec(gv), ask)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(p.ctx, filepath.Clean(cfg.Command), cfg.Args...) //nolint:gosec // The operator's.
	cmd.Cancel = func() error {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			return cmd.Process.Kill()
		}
		return nil // killed after pluginLeaves
	}
	if err := allowed(cfg.PluginPolicy, cfg.Command, cmd.Path); err != nil {
		return nil, err
	}
	cmd.Env = os.Environ()
	for _, env := range cfg.Env {
		cmd.Env = append(cmd.Env, env.Name+"="+env.Value)
	}
	cmd.Env = append(cmd.Env, execInfo+"="+string(info))
	var out limitedBuffer
	said := &pluginLines{tell: p.tell}
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &out, said, pluginLeaves
	err = cmd.Run()
	said.end()
	switch {
	case out.full:
		return nil, fmt.Errorf("it printed more than %d bytes", maxPluginOutput)
	case err == nil, errors.Is(err, exec.ErrWaitDelay):
		return decodeCredentials(gv, out.text)
	case p.ctx.Err() != nil:
		return nil, errors.New("it was ended: the member has other credentials, or left")
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		err = fmt.Errorf("exit code %d", exit.ExitCode())
	} else if cfg.InstallHint != "" && (errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist)) {
		err = fmt.Errorf("%w; %s", err, cfg.InstallHint)
	}
	if said.last != "" {
		err = fmt.Errorf("%w: %s", err, said.last)
	}
	return nil, err
}

// allowed looks whether a user of the package has restricted which plugins may
// run.
func allowed(policy clientcmdapi.PluginPolicy, command, path string) error {
	switch policy.PolicyType {
	case "", clientcmdapi.PluginPolicyAllowAll:
		return nil
	case clientcmdapi.PluginPolicyAllowlist:
		if slices.ContainsFunc(policy.Allowlist, func(e clientcmdapi.AllowlistEntry) bool {
			resolved, err := exec.LookPath(e.Command)
			return e.Command != "" && (e.Command == command || e.Command == path || err == nil && resolved == path)
		}) {
			return nil
		}
	}
	return fmt.Errorf("the policy %q for plugins does not allow it", policy.PolicyType)
}

func decodeCredentials(gv schema.GroupVersion, text []byte) (*pluginCredentials, error) {
	answer := &clientauthentication.ExecCredential{}
	_, kind, err := execCodecs.UniversalDecoder(gv).Decode(text, nil, answer)
	// What it printed may hold credentials, so the decoder's words are not told.
	switch {
	case err != nil:
		return nil, errors.New("what it printed is no ExecCredential")
	case kind.Group != gv.Group || kind.Version != gv.Version:
		return nil, fmt.Errorf("it answered in another version than %s", gv)
	case answer.Status == nil:
		return nil, errors.New("what it printed has no status")
	}
	s := answer.Status
	switch {
	case s.Token == "" && s.ClientCertificateData == "" && s.ClientKeyData == "":
		return nil, errors.New("it printed neither a token nor a certificate")
	case (s.ClientCertificateData == "") != (s.ClientKeyData == ""):
		return nil, errors.New("it printed only one of certificate and key")
	}
	c := &pluginCredentials{token: s.Token}
	if s.ExpirationTimestamp != nil {
		c.expires = s.ExpirationTimestamp.Time
	}
	if s.ClientCertificateData != "" {
		cert, err := tls.X509KeyPair([]byte(s.ClientCertificateData), []byte(s.ClientKeyData))
		if err != nil {
			return nil, errors.New("certificate and key that it printed cannot be used")
		}
		c.cert = &cert
	}
	return c, nil
}

// limitedBuffer fails when it gets more than maxPluginOutput.
type limitedBuffer struct {
	text []byte
	full bool
}

func (b *limitedBuffer) Write(p []byte) (int, error) {
	if len(b.text)+len(p) > maxPluginOutput {
		b.full = true
		return 0, errors.New("too much output")
	}
	b.text = append(b.text, p...)
	return len(p), nil
}

// withPlugin adds what the plugin says to requests. It goes within a giveUp and
// around a pastPlugin.
type withPlugin struct {
	next   http.RoundTripper
	plugin *plugin
	// rotated is told what the plugin says, before each request.
	rotated func(*pluginCredentials)
}

// RoundTrip sends the request, which it changes.
func (w *withPlugin) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Header.Get("Authorization") != "" {
		return w.next.RoundTrip(req)
	}
	c, err := w.plugin.credentials(nil)
	if err != nil {
		return nil, err
	}
	w.rotated(c)
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := w.next.RoundTrip(req)
	if err == nil && resp.StatusCode == http.StatusUnauthorized {
		_, _ = w.plugin.credentials(c) // what is wrong, the next request says
	}
	return resp, err
}

// WrappedRoundTripper lets client-go look through.
func (w *withPlugin) WrappedRoundTripper() http.RoundTripper { return w.next }

// maxPluginLine bounds a line of a plugin, and maxPluginLines how many of one run
// are logged.
const (
	maxPluginLine  = 1 << 10
	maxPluginLines = 10
)

// pluginLines takes what a plugin writes to its standard error, line by line.
type pluginLines struct {
	tell func(line string) (shown string)
	line []byte
	n    int
	last string // as it was shown
}

// Write never fails: a plugin does not notice who reads.
func (l *pluginLines) Write(p []byte) (int, error) {
	for _, c := range p {
		switch {
		case c == '\n' || c == '\r':
			l.flush()
		case len(l.line) < maxPluginLine:
			l.line = append(l.line, c)
		}
	}
	return len(p), nil
}

func (l *pluginLines) flush() {
	line := string(bytes.TrimSpace(l.line))
	l.line = l.line[:0]
	if line == "" {
		return
	}
	if l.n++; l.n > maxPluginLines {
		l.last = line
		return
	}
	l.last = cmp.Or(l.tell(line), l.last)
}

// end is the end of the run.
func (l *pluginLines) end() {
	l.flush()
	if l.n > maxPluginLines {
		l.last = l.tell(fmt.Sprintf("(%d lines are left out) %s", l.n-maxPluginLines-1, l.last))
	}
}
